"""Notices SIGTERM, Ctrl-C and what Slurm sends before a limit, so that a run can save and leave."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, TracebackType
from typing import Any, TypeVar

from gan_jax.errors import Preempted

T = TypeVar('T')

SIGNALS = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2
"""What asks a run to stop; the last two are what scripts for Slurm name, `--signal=USR2@120`."""

_AGAIN_SECONDS = 0.02  # after which a signal that was lost is sent again


class StopSignal:
  """Within its context, the first of `SIGNALS` asks to stop; a second SIGINT interrupts.

  Schedulers kill soon after they ask. Where there is nothing to be brought to an end first, such as
  before a run begins or while its saved state is scored, the signal itself stops what goes on: see
  `at_once`.
  """

  def __init__(self) -> None:
    self._name: str | None = None
    self._at_once, self._raised, self._means = False, False, ''
    self._previous: dict[int, object] = {}

  @property
  def requested(self) -> bool:
    """Whether a signal has come."""
    return self._name is not None

  def check(self) -> None:
    """Raises Preempted if a signal has come."""
    if self._name is not None:
      raise Preempted(f'{self._name}: {self._means}' if self._means else self._name)

  @contextlib.contextmanager
  def at_once(self, means: str = '') -> Iterator[None]:
    """Within it, a signal raises Preempted wherever the main thread is.

    Args:
      means: what the user is told beside the signal's name.
    """
    self._at_once, self._raised, self._means = True, False, means
    try:
      self.check()
      yield
      self.check()  # one that came where it could not be raised
    finally:
      self._at_once, self._means = False, ''

  def __enter__(self) -> 'StopSignal':
    # Only the main thread may set handlers; a run in another is stopped by whoever owns it.
    if threading.current_thread() is threading.main_thread():
      for number in SIGNALS:
        self._previous[number] = signal.signal(number, self._note)
      _listening.append(self)
      self._unraisable, sys.unraisablehook = sys.unraisablehook, self._lost
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    if self._previous:
      sys.unraisablehook = self._unraisable
      _listening.remove(self)
    for number, handler in self._previous.items():
      signal.signal(number, handler)  # type: ignore[arg-type]

  def stop(self) -> None:
    """Raises Preempted, once, if a signal has come and is to stop at once what goes on."""
    if self._at_once and not self._raised and not _holds and self.requested:
      self._raised = True
      self.check()

  def _note(self, number: int, frame: FrameType | None) -> None:
    del frame
    if self._name is not None and number == signal.SIGINT:
      raise KeyboardInterrupt
    self._name = self._name or signal.Signals(number).name
    self.stop()

  def _lost(self, raised: Any) -> None:
    """Raises it again where it came in the midst of what lets no exception out, as `__del__`."""
    if isinstance(raised.exc_value, Preempted):
      self._raised = False
      threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM)).start()
    else:
      self._unraisable(raised)


@contextlib.contextmanager
def held() -> Iterator[None]:
  """Within it no signal raises; one that came does at the end.

  What several processes do together is never left half done by one of them.
  """
  global _holds
  _holds += 1
  try:
    yield
  finally:
    _holds -= 1
  if _listening:
    _listening[-1].stop()


_listening: list[StopSignal] = []  # the innermost last
_holds = 0


def interruptible(work: Callable[[], T]) -> T:
  """Does in a thread what runs long outside of Python, such as a compilation.

  Python heeds signals between its own instructions: a main thread that waits for another does so at
  once, one that compiles only afterwards. What is interrupted goes on by itself to its end.
  """
  pool = ThreadPoolExecutor(1)
  try:
    return pool.submit(work).result()
  finally:
    pool.shutdown(wait=False)
