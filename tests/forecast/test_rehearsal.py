"""A short run in a process of its own, as it is then forecast."""

import json
import os
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import smoke
from gan_jax import build, estimate
from gan_jax.forecast import costs, rehearsal
from gan_jax.forecast.costs import Images
from gan_jax.runtime import machine
from tests.command_line import call


@pytest.mark.slow
def test_a_run_is_tried_out_and_told(tmp_path, data_dir):
  path = tmp_path / 'forecast.json'
  said = call(
    *('forecast', '--config=configs/smoke.py', f'--config.dataset.data_dir={data_dir}'),
    f'--json={path}',
  )
  assert said.code == 0, said.err
  told = json.loads(path.read_text())
  step = costs.step_of(smoke.get_config(), Images(1, 10), 1)
  held = costs.held_by(step.state, step.batch)
  assert told['held_bytes'] == held
  assert told['memory_bytes'] > 100e6  # a whole process
  assert told['temporary_bytes'] > 0
  assert 0 < told['seconds_per_step'] < 60
  assert told['flops'] == costs.work(step).flops
  assert told['bytes_accessed'] > sum(held.values())
  state = sum(held.values()) - held['batch']
  assert told['checkpoint_bytes'] > 0.5 * state
  assert told['dataset_bytes'] > 100_000
  assert told['steps'] == -(-smoke.get_config().train.images // 16)
  assert told['fits']
  assert 'measured here' in said.out


@pytest.mark.parametrize('compile_seconds', [None, 8.0])
@pytest.mark.parametrize(
  ('step_seconds', 'steps'), [(0.01, rehearsal._STEPS), (0.3, 10), (60.0, rehearsal._LEAST)]
)
def test_a_run_is_measured_by_its_own_loop_where_its_images_are_there(
  monkeypatch, compile_seconds, step_seconds, steps
):
  first = rehearsal.Rehearsal(None, 900, None, step_seconds, compile_seconds, 5)
  asked = []

  def in_a_process(devices, function, *arguments):
    asked.append((devices, function.__name__))
    if function is rehearsal._train:
      assert arguments[1] == steps
      return 700, 6
    return first if len(asked) == 1 else first._replace(process_bytes=600, step_seconds=9.0)

  monkeypatch.setattr(rehearsal, '_in_a_process', in_a_process)
  found = rehearsal.rehearse(smoke.get_config(), Images(1), 2)
  compiling = None if compile_seconds is None else 900
  assert found == first._replace(process_bytes=700, compiling_bytes=compiling, checkpoint_bytes=6)
  assert asked == [(2, '_rehearse'), (2, '_train')]

  asked.clear()
  first = first._replace(on_noise=True)
  found = rehearsal.rehearse(smoke.get_config(), Images(1), 2)
  assert found.process_bytes == (900 if compile_seconds is None else 600)
  assert found.compiling_bytes == compiling
  assert '_train' not in str(asked)

  asked.clear()
  first = first._replace(step_seconds=None)
  assert rehearsal.rehearse(smoke.get_config(), Images(1), 2, run=False) == first
  assert len(asked) == 1


def test_a_process_has_its_own_number_of_devices_and_this_one_keeps_its(monkeypatch):
  monkeypatch.setenv('JAX_PLATFORMS', 'of before')
  monkeypatch.delenv('JAX_NUM_CPU_DEVICES', raising=False)
  before = dict(os.environ)
  assert rehearsal._in_a_process(3, os.getenv, 'JAX_NUM_CPU_DEVICES') == '3'
  assert dict(os.environ) == before


def test_what_does_not_fit_is_added_up_and_not_run(monkeypatch):
  """In this process: what is there, and what a step needs beside it."""
  config = smoke.get_config()
  config.dataset.name = 'random_images'
  config.model.conditional = False
  monkeypatch.setattr(machine, 'free_bytes', lambda: 0)
  monkeypatch.setattr(machine, 'resident_bytes', lambda: 10**12)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 1.0)  # as JAX begins
  found = rehearsal._rehearse(config, Images(3), True)
  # What it compiles is kept for the run after it, however short it took.
  assert jax.config.jax_persistent_cache_min_compile_time_secs == 0
  assert found.step_seconds is found.checkpoint_bytes is None
  assert found.process_bytes >= 10**12 + found.cost.memory.temporary


@pytest.mark.parametrize(
  ('times', 'enough'),
  [
    ([], False),
    ([9.0, 9.0], False),  # the first is left out, and of one there is no median
    ([0.1, 2.0, 1.0], True),
    ([3.0, 0.1, 0.1], False),
    ([0.1] * 19, False),
    ([0.1] * 20, True),  # quick ones are not run for ever
  ],
)
def test_steps_are_timed_for_some_seconds_and_no_more_than_some_times(times, enough):
  assert rehearsal._enough(times) == enough


def test_a_grid_is_drawn_and_written_as_a_run_does(monkeypatch):
  """What loads with it is a part of the memory that a run takes."""
  config, kept = smoke.get_config(), []
  config.sample.rows, config.sample.columns = 2, 3
  draw = lambda average, labels, seed: [np.zeros((len(labels), 8, 8, 1), np.uint8)]
  state = types.SimpleNamespace(ema={'a': jnp.zeros((1, 2))})
  written = rehearsal.grid.save_image

  def save(path, picture):
    written(path, picture)
    kept.append((os.path.getsize(path) > 0, picture.shape))

  monkeypatch.setattr(rehearsal.grid, 'save_image', save)
  rehearsal._sample(config, types.SimpleNamespace(draw=draw), state, 10)
  assert kept == [(True, rehearsal.grid.grid(np.zeros((6, 8, 8, 1), np.uint8), 3).shape)]


def test_without_its_data_a_run_is_tried_on_noise():
  config = smoke.get_config()
  config.dataset.name = 'nowhere'
  assert rehearsal._datasets(config) is None
  batch = next(rehearsal._batches(config, Images(1, 10, 2), None))
  assert batch['image'].dtype == 'uint16'
  assert batch['image'].shape == (8, config.train.batch_size // 8, 16, 16, 1)
  assert set(batch['label'].ravel().tolist()) == set(range(10))
  parts = build.networks(config, 1, 10)
  assert parts.generator.num_classes == 10
  assert estimate.dataset_bytes(config) is None
