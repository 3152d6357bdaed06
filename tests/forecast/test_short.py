"""The line at the start of a run, and what is said where there is no memory."""

import types

import jax
import numpy as np
import pytest

from configs import default, smoke
from configs.bench import r3gan32
from gan_jax import build
from gan_jax.errors import NotDoneError
from gan_jax.forecast import short
from gan_jax.runtime import programs
from gan_jax.train import train

EXHAUSTED = 'RESOURCE_EXHAUSTED: Out of memory allocating 48000000000 bytes.'


def compiled(held, temporary, **analysis):
  memory = types.SimpleNamespace(
    argument_size_in_bytes=held,
    temp_size_in_bytes=temporary,
    output_size_in_bytes=500,
    alias_size_in_bytes=500,
  )
  return types.SimpleNamespace(
    memory_analysis=lambda: memory,
    cost_analysis=lambda: {k.replace('_', ' '): v for k, v in analysis.items()},
  )


def on(monkeypatch, kind, platform, limit=None):
  """As if this machine had other devices."""
  device = types.SimpleNamespace(
    device_kind=kind, platform=platform, memory_stats=lambda: {'bytes_limit': limit}
  )
  monkeypatch.setattr(jax, 'local_devices', lambda: [device])
  monkeypatch.setattr(jax, 'local_device_count', lambda: 1)
  monkeypatch.setattr(jax, 'device_count', lambda: 1)


STATE = {'a': np.zeros((1, 250_000), np.float32)}


def test_on_a_chip_that_is_known_it_tells_the_least_time(monkeypatch):
  on(monkeypatch, 'TPU v5 lite', 'tpu')
  config = default.get_config()
  config.train.batch_size, config.train.images = 64, 64 * 3600
  program = compiled(3_000_000, 4_000_000, flops=1.97e12, bytes_accessed=819e9)
  assert short.line(config, program, STATE) == (
    'forecast  7 MB on each device: state and batch 3 MB, a step 4 MB; 1,970 GFLOP and 819.00 GB '
    'moved a step; at least 1 s a step, 60 min in all; checkpoints of 1 MB'
  )


def test_a_step_of_no_products_has_no_operations_and_takes_as_long_as_its_moves(monkeypatch):
  on(monkeypatch, 'TPU v5 lite', 'tpu')
  told = short.line(default.get_config(), compiled(0, 0, bytes_accessed=819e9), STATE)
  assert '; 0 GFLOP and 819.00 GB moved a step; at least 1 s a step' in told


def test_on_a_cpu_and_of_loops_it_tells_of_memory_alone(monkeypatch):
  config, program = default.get_config(), compiled(3_000_000, 4_000_000, flops=1.0)
  assert 'GFLOP' not in short.line(config, program, STATE)
  on(monkeypatch, 'NVIDIA H100', 'gpu')
  assert 'GFLOP' in short.line(config, program, STATE)
  config.train.accumulate = 2
  assert 'GFLOP' not in short.line(config, program, STATE)
  nothing = types.SimpleNamespace(memory_analysis=lambda: None)
  assert short.line(config, nothing, STATE) == 'forecast  memory unknown; checkpoints of 1 MB'


def test_out_of_memory_tells_what_would_have_fitted(monkeypatch):
  on(monkeypatch, 'NVIDIA H100', 'gpu', limit=60 * 10**9)
  config = r3gan32.get_config()
  config.train.batch_size = 64
  config.dataset.resolution = 16
  config.r3gan.widths = (16, 16, 16)
  parts = build.networks(config, 3, 0)
  say = lambda program: short.out_of_memory(
    jax.errors.JaxRuntimeError(EXHAUSTED), config, parts, program, STATE
  )
  told = say(compiled(10**10, 10**11))
  assert '\n' not in told
  assert 'a step of 64 images takes 110.00 GB on each device, and 60.00 GB are there' in told
  assert 'about 32 images would fit (--config.train.batch_size=32)' in told
  assert '--config.train.accumulate=2;' in told
  quarter = say(compiled(3 * 10**10, 10**11))  # four parts of 64 images are of 16
  assert 'about 19 images would fit' in quarter
  assert '--config.train.accumulate=4;' in quarter
  nothing = say(compiled(7 * 10**10, 10**11))
  assert 'no batch fits' in nothing
  assert 'accumulate' not in nothing
  unknown = say(None)
  assert 'Out of memory allocating 48000000000 bytes' in unknown
  assert 'lower config.train.batch_size, or the same batch in parts by ' in unknown
  assert '--config.train.accumulate=2;' in unknown


def test_a_model_that_cannot_be_cut_is_not_told_to(monkeypatch):
  on(monkeypatch, 'NVIDIA H100', 'gpu', limit=60 * 10**9)
  config = default.get_config()  # batch normalisation
  told = short.out_of_memory(
    jax.errors.JaxRuntimeError(EXHAUSTED),
    *(config, build.networks(config, 1, 0), compiled(10**10, 10**11), STATE),
  )
  assert 'accumulate' not in told
  assert 'batch_size=' in told


def test_a_compiler_that_refuses_is_understood(monkeypatch):
  on(monkeypatch, 'TPU v5 lite', 'tpu', limit=15 * 2**30)
  config = default.get_config()
  error = jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Used 29.00G of 15.00G hbm.')
  told = short.out_of_memory(error, config, build.networks(config, 1, 0), None, STATE)
  assert 'takes 31.14 GB on each device, and 16.11 GB are there' in told


def test_other_errors_are_not_of_memory():
  error, config = jax.errors.JaxRuntimeError('INTERNAL: something'), default.get_config()
  assert short.out_of_memory(error, config, None, None, STATE) is None
  assert short.out_of_memory_beside(error, config) is None


def test_a_run_that_finds_no_memory_stops_with_a_line(tmp_path, monkeypatch, capsys):
  config = smoke.get_config()
  config.evaluate.images = 0
  real = programs.Program.__call__

  def exhausted(self, *arguments):
    if len(arguments) == 2:  # state and batch
      raise jax.errors.JaxRuntimeError(EXHAUSTED)
    return real(self, *arguments)

  monkeypatch.setattr(programs.Program, '__call__', exhausted)
  with pytest.raises(NotDoneError, match=r'^out of memory: a step of \d+ images takes'):
    train(config, str(tmp_path / 'run'))
  assert 'forecast  ' in capsys.readouterr().err
