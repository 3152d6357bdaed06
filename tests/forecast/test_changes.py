"""What to change where a run does not fit."""

import pytest

from configs import default
from configs.bench import r3gan32
from gan_jax import build
from gan_jax.forecast import changes, result, targets
from gan_jax.forecast.costs import Cost, Images
from gan_jax.forecast.result import Forecast, Options
from gan_jax.runtime.programs import Memory

TARGET = targets.parse('gpu:t4')
IMAGES = Images(3)


@pytest.fixture
def tried(monkeypatch):
  """The configs that forecasts are asked for; none is made."""
  seen = []

  def record(config, images, target, options, run):
    seen.append(config)
    assert not run
    return of(config, 1)

  monkeypatch.setattr(result, 'forecast', record)
  return seen


def of(config, temporary):
  cost = Cost({'batch': 0}, Memory(10**9, 10**9, 10**9, temporary), 0, 1.0, 1.0)
  size = config.train.batch_size
  memory = cost.memory.total
  return Forecast(
    *(TARGET, size, size, cost, memory, TARGET.chip.memory, 1.0, 'memory', None, 1, 1, 1, None)
  )


def flags_of(config, found):
  return [c.flags for c in changes.changes(config, IMAGES, TARGET, Options(), found)]


def test_each_saves_memory_in_its_own_way_and_can_be_pasted(tried):
  config = r3gan32.get_config()
  config.dataset.resolution = 32
  config.r3gan.widths = (16, 16, 16, 16)
  config.train.batch_size = 64
  flags = flags_of(config, of(config, 40 * 10**9))
  assert (
    flags
    == [
      '--config.train.batch_size=17',
      '--config.train.accumulate=4',
      '--config.r3gan.bfloat16_stages=4',
      '--config.r3gan.remat_stages=4',
      '--config.r1.interval=16',
      '--config.r2.interval=16',
      '--config.r3gan.widths="(8, 8, 8, 8)"',
    ]
    or '--config.r3gan.widths="(8, 8, 8, 8)"' not in flags
  )
  for changed in tried:  # all are configs that a run can have
    build.recipe(changed, build.networks(changed, 3, 0), devices=1)


def test_what_a_config_cannot_have_is_left_out(tried):
  """Batch normalisation has no parts of a batch; there is no penalty to be put off."""
  config = default.get_config()
  config.dcgan.bfloat16_stages = config.dcgan.remat_stages = 3
  flags = flags_of(config, of(config, 40 * 10**9))
  assert not [f for f in flags if 'accumulate' in f or 'interval' in f]
  assert [f for f in flags if 'dcgan.width=32' in f and 'dcgan.max_width=256' in f]
  assert len(tried) == len(flags)


def test_parts_are_as_many_as_bring_the_activations_into_what_is_left():
  config = r3gan32.get_config()
  config.train.batch_size = 64
  left = TARGET.chip.memory - 10**9
  assert changes._parts(config, of(config, int(1.9 * left))) == 2
  assert changes._parts(config, of(config, int(3.9 * left))) == 4
  assert changes._parts(config, of(config, 1000 * left)) == 64
