"""What each of several hosts keeps of a run."""

import os
import pathlib
import time

import jax.numpy as jnp
import pytest

from gan_jax.errors import NotDoneError
from gan_jax.workdir import record, shared


def test_a_host_that_is_not_the_first_keeps_nothing(tmp_path, monkeypatch):
  """Of several that reach one folder, one alone writes checkpoints and lines."""
  state = {'a': jnp.ones((1, 2))}
  left = {}
  for first in (False, True):
    monkeypatch.setattr(shared.hosts, 'is_first', lambda first=first: first)
    workdir = str(tmp_path / str(first))
    os.mkdir(workdir)
    checkpoints = shared.Checkpoints(workdir, keep_last=2, keep_best=0, scores={})
    kept = shared.open_record(workdir, 0, 0, 0, ())
    checkpoints.save(3, state, {})
    checkpoints.wait()
    kept.write('train', 3, 48, {'d_loss': 0.5})
    checkpoints.check()
    checkpoints.set_damaged_aside()
    assert (checkpoints.damaged(), checkpoints.troubled()) == ({}, False)
    left[first] = checkpoints.steps(), record.read_metrics(workdir), os.listdir(workdir)
    kept.close()
    checkpoints.close()
  assert left[False] == ([], [], [])
  steps, lines, _ = left[True]
  assert (steps, [line['step'] for line in lines]) == ([3], [3])


@pytest.fixture
def full(tmp_path, monkeypatch):
  """Checkpoints with the first step saved, on a disk that is full since."""
  checkpoints = shared.Checkpoints(str(tmp_path), keep_last=2, keep_best=0, scores={})
  checkpoints.save(1, {'a': jnp.ones((1, 2))}, {})

  def refuse(source, *_):
    raise OSError(28, 'No space left on device', str(source))

  monkeypatch.setattr(pathlib.Path, 'rename', refuse)
  monkeypatch.setattr(os, 'rename', refuse)
  yield checkpoints
  checkpoints.close()


def hears():
  return pytest.raises(NotDoneError, match='step 2 could not be saved: No space left on device')


def test_a_look_between_steps_hears_that_a_save_has_failed(full):
  assert not full.troubled()
  full.save(2, {'a': jnp.ones((1, 2))}, {})
  deadline = time.monotonic() + 30
  while not full.troubled() and time.monotonic() < deadline:
    time.sleep(0.01)
  with hears():
    full.check()


def test_whoever_waits_hears_that_a_save_has_failed(full):
  full.save(2, {'a': jnp.ones((1, 2))}, {})
  with hears():
    full.wait()
