"""What each of several hosts keeps of a run."""

import os

import jax.numpy as jnp

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
    left[first] = checkpoints.steps(), record.read_metrics(workdir), os.listdir(workdir)
    kept.close()
    checkpoints.close()
  assert left[False] == ([], [], [])
  steps, lines, _ = left[True]
  assert (steps, [line['step'] for line in lines]) == ([3], [3])
