"""What must stay as small after ten thousand intervals as after a thousand."""

import gc
import os
import resource

import jax
import numpy as np
import pytest

from gan_jax.monitoring.clock import Clock
from gan_jax.monitoring.log import MetricsLog
from gan_jax.progress import ProgressBar
from gan_jax.runtime import parallel
from gan_jax.workdir import record
from gan_jax.workdir.checkpoint import Checkpointer


@pytest.fixture(autouse=True)
def what_was_there():
  """Lets collections look at what a test makes alone, not at all that others have left."""
  gc.collect()
  gc.freeze()
  yield
  gc.unfreeze()


def handles():
  return len(os.listdir('/proc/self/fd'))


def resident():
  """Bytes of memory that this process has at the moment."""
  gc.collect()
  with open('/proc/self/statm', encoding='ascii') as file:
    return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.slow
def test_ten_thousand_intervals_leave_memory_handles_and_the_record_flat(tmp_path):
  """A log line each, a grid and a checkpoint every hundredth, as the loop does it."""
  workdir = str(tmp_path)
  checkpoints = Checkpointer(workdir, keep_last=2)
  writer = record.Record(workdir, 0, 0)
  names = ('d_loss', 'g_loss', 'd_grad_norm', 'g_grad_norm', 'd_finite', 'g_finite')
  metrics = parallel.replicate({name: np.float32(1.0) for name in names})
  state = {'w': np.zeros((64, 64), np.float32), 'step': np.zeros((), np.int32)}
  log = MetricsLog(writer, ProgressBar(10**9), Clock(), lambda step: 16 * step, lambda step: True)
  found = []
  for step in range(1, 10_001):
    log.add(step, metrics)
    assert log.drain(2) is None
    if step % 100 == 0:
      log.drain(0)
      writer.image('samples', 16 * step, np.zeros((16, 16, 3), np.uint8))
      about = {'images': 16 * step, 'window': log.window, 'alarms': log.alarms}
      checkpoints.save(step, state, about)
      checkpoints.check()
    if step % 1000 == 0:
      checkpoints.wait()
      saved = sum(p.stat().st_size for p in (tmp_path / 'checkpoints').rglob('*') if p.is_file())
      found.append((handles(), resident(), writer.size(), saved))
  writer.close()
  checkpoints.close()
  handle, memory, lines, saved = (np.diff(each) for each in zip(*found, strict=True))
  assert handle[1:].max() <= 2
  assert found[-1][0] <= found[1][0] + 2
  assert memory[2:].sum() < 30e6  # bytes, over seven thousand intervals
  assert lines.max() < 1.1 * lines.min()  # as many bytes for the last thousand as for the first
  assert np.abs(saved).max() < 2000
  assert len(list((tmp_path / 'tensorboard').iterdir())) == 1


@pytest.mark.slow
def test_restarts_leave_no_handles_and_no_files(tmp_path):
  workdir = str(tmp_path)
  counts = []
  for start in range(1, 31):
    opened = record.Record(workdir, start, 16 * start)
    checkpoints = Checkpointer(workdir, keep_last=2)
    checkpoints.save(start, {'w': np.zeros(3, np.float32)}, {'images': 16 * start})
    opened.write('train', start, 16 * start, {'d_loss': 0.5})
    opened.close()
    checkpoints.close()
    gc.collect()
    files = len(list((tmp_path / 'checkpoints').iterdir()))
    counts.append((handles(), files, len(jax.live_arrays())))
  assert counts[-1][0] <= counts[4][0] + 2
  assert counts[-1][1] == 2
  assert counts[-1][2] <= counts[4][2]  # beside those that other tests hold
