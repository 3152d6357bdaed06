"""Times, energy and the largest batch, by closed forms."""

import jax
import pytest

from configs import default
from gan_jax.errors import UserError
from gan_jax.forecast import result, targets
from gan_jax.forecast.costs import Cost
from gan_jax.forecast.result import Forecast
from gan_jax.runtime.programs import Memory

EFFORTS = 'exec_time_optimization', 'memory_fitting'
V5E = targets.parse('tpu:v5e:2x2')
V4 = targets.parse('tpu:v4:2x2x1')


def cost(temporary=0, flops=0.0, moved=0.0, held=0, batch=0):
  parts = {'weights': held, 'batch': batch}
  return Cost(parts, Memory(held + batch, held, held, temporary), 0, flops, moved)


def forecast(target, size, found, seconds=0.5, steps=1000):
  memory, limit = found.memory.total, target.chip.memory
  return Forecast(
    target, size, size, found, memory, limit, seconds, 'memory', None, steps, 10, 3, None
  )


def test_a_step_takes_the_longer_of_computing_and_moving():
  assert result.least_seconds(cost(flops=197e12, moved=819e8), V5E) == (1.0, 'operations')
  assert result.least_seconds(cost(flops=197e10, moved=819e9), V5E) == (1.0, 'memory')
  assert result.least_seconds(cost()._replace(bytes_accessed=None), V5E) == (None, 'unknown')


def test_energy_is_power_by_time_where_the_power_is_published():
  found = forecast(V4, 64, cost(), seconds=3.6, steps=1000)
  assert found.seconds == 3600
  assert found.kilowatt_hours == pytest.approx(4 * 192 / 1000)
  assert forecast(V5E, 64, cost()).kilowatt_hours is None
  unknown = found._replace(seconds_per_step=None)
  assert unknown.seconds is None
  assert unknown.kilowatt_hours is None


def test_what_is_given_in_place_of_what_was_taken_is_counted_once():
  assert Memory(100, 90, 80, 1000).total == 100 + (90 - 80) + 1000


@pytest.mark.parametrize('sizes', [(64,), (64, 32), (32, 128)])
def test_the_largest_batch_is_where_the_memory_ends(sizes):
  """Memory of 2 GB and 50 MB an image: (15.75 GiB - 2 GB) / 50 MB images, a multiple of 4."""
  at = lambda size: forecast(V5E, size, cost(held=2 * 10**9, temporary=size * 50 * 10**6))
  found = result.largest_batch([at(size) for size in sizes])
  exact = (V5E.chip.memory - 2e9) / 50e6
  assert found == int(exact) // 4 * 4
  assert at(found).fits
  assert not at(found + 4).fits


def test_no_batch_fits_where_the_weights_do_not():
  assert result.largest_batch([forecast(V5E, 4, cost(held=20 * 10**9, temporary=4))]) == 0


def test_a_batch_that_the_devices_do_not_divide_is_refused():
  config = default.get_config()
  config.train.batch_size = 50
  with pytest.raises(UserError, match=r'batch_size=50: .* multiple of the 4 devices of --devices='):
    result.check(config, V5E)
  config.train.batch_size = 52
  result.check(config, V5E)


def test_unless_asked_a_compiler_for_tpus_tries_as_hard_as_in_a_run():
  of_a_run = {jax.config.values[f'jax_{of}_effort'] for of in EFFORTS}
  assert of_a_run == {result.Options().effort}
