"""A thread for what the networks do: everyone in turn, each one's requests in their order."""

import collections
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

T = TypeVar('T')

MOST_WAITING = 512
"""Jobs; more than people click."""


class BusyError(RuntimeError):
  """More is waiting than is taken."""


class _Job(NamedTuple):
  work: Callable[[], Any]
  done: Future[Any]


class Worker:
  """Does jobs one at a time.

  Whoever has waited longest since their last job is next: one window with a hundred requests does
  not keep another waiting.
  """

  def __init__(self) -> None:
    """Starts the thread."""
    self._waiting: collections.OrderedDict[str, collections.deque[_Job]] = collections.OrderedDict()
    self._changed, self._closed = threading.Condition(), False
    self._thread = threading.Thread(target=self._run, name='explore', daemon=True)
    self._thread.start()

  def submit(self, who: str, work: Callable[[], T]) -> Future[T]:
    """Takes a job of somebody.

    Args:
      who: asks for it.
      work: is done in the thread.

    Raises:
      BusyError: where too many wait.
    """
    job = _Job(work, Future())
    with self._changed:
      if self._closed or sum(map(len, self._waiting.values())) >= MOST_WAITING:
        raise BusyError
      self._waiting.setdefault(who, collections.deque()).append(job)
      self._changed.notify()
    return job.done

  def close(self) -> None:
    """Cancels what waits, and lets what is being done go on to its end by itself."""
    with self._changed:
      self._closed = True
      for jobs in self._waiting.values():
        for job in jobs:
          job.done.cancel()
      self._waiting.clear()
      self._changed.notify()

  def _run(self) -> None:
    while (job := self._next()) is not None:
      _do(job)

  def _next(self) -> _Job | None:
    """Waits for the next job; None at the end."""
    with self._changed:
      self._changed.wait_for(lambda: self._waiting or self._closed)
      if self._closed:
        return None
      who, jobs = self._waiting.popitem(last=False)
      job = jobs.popleft()
      if jobs:
        self._waiting[who] = jobs  # behind everyone else
      return job


def _do(job: _Job) -> None:
  if not job.done.set_running_or_notify_cancel():
    return
  try:
    job.done.set_result(job.work())
  except BaseException as error:  # whatever it is, it belongs to whoever asked
    job.done.set_exception(error)
