import threading

import pytest

from gan_jax.exploring import worker as workers
from gan_jax.exploring.worker import BusyError, Worker


@pytest.fixture
def worker():
  worker = Worker()
  yield worker
  worker.close()


@pytest.fixture
def held(worker):
  """A worker that is at work until it is let go."""
  go, begun = threading.Event(), threading.Event()
  worker.submit('somebody', lambda: (begun.set(), go.wait(20)))
  begun.wait(20)
  yield worker, go
  go.set()


def test_each_ones_jobs_are_done_in_order_and_everyone_is_in_turn(held):
  worker, go = held
  done = []
  jobs = [worker.submit('a', lambda n=n: done.append(f'a{n}')) for n in range(4)]
  jobs += [worker.submit('b', lambda n=n: done.append(f'b{n}')) for n in range(2)]
  go.set()
  for job in jobs:
    job.result(20)
  assert done == ['a0', 'b0', 'a1', 'b1', 'a2', 'a3']


def test_what_fails_belongs_to_whoever_asked_and_the_next_is_done(worker):
  def fails():
    raise KeyError('x')

  with pytest.raises(KeyError):
    worker.submit('a', fails).result(20)
  assert worker.submit('a', lambda: 1).result(20) == 1


def test_more_than_is_taken_is_refused_and_what_waits_at_the_end_is_cancelled(held):
  worker, go = held
  jobs = [worker.submit('a', lambda: None) for _ in range(workers.MOST_WAITING)]
  with pytest.raises(BusyError):
    worker.submit('b', lambda: None)
  worker.close()
  go.set()
  assert all(job.cancelled() for job in jobs)
  with pytest.raises(BusyError):
    worker.submit('b', lambda: None)
