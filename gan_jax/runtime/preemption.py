"""Notices SIGTERM, Ctrl-C and what Slurm sends before a limit, so that a run can save and leave."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

from gan_jax.errors import Preempted

SIGNALS = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2
"""What asks a run to stop; the last two are what scripts for Slurm name, `--signal=USR2@120`."""


class StopSignal:
  """Within its context, the first of `SIGNALS` asks to stop; a second SIGINT interrupts.

  Schedulers kill soon after they ask. Where there is nothing to be brought to an end first, such as
  before a run begins or while its saved state is scored, the signal itself stops what goes on: see
  `at_once`.
  """

  def __init__(self) -> None:
    self._name: str | None = None
    self._at_once = False
    self._previous: dict[int, object] = {}

  @property
  def requested(self) -> bool:
    """Whether a signal has come."""
    return self._name is not None

  def check(self) -> None:
    """Raises Preempted if a signal has come."""
    if self._name is not None:
      raise Preempted(self._name)

  @contextlib.contextmanager
  def at_once(self) -> Iterator[None]:
    """Within it, a signal raises Preempted wherever the main thread is."""
    self.check()
    self._at_once = True
    try:
      yield
    finally:
      self._at_once = False

  def __enter__(self) -> 'StopSignal':
    # Only the main thread may set handlers; a run in another is stopped by whoever owns it.
    if threading.current_thread() is threading.main_thread():
      for number in SIGNALS:
        self._previous[number] = signal.signal(number, self._note)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)  # type: ignore[arg-type]

  def _note(self, number: int, frame: FrameType | None) -> None:
    del frame
    if self._name is not None and number == signal.SIGINT:
      raise KeyboardInterrupt
    self._name = signal.Signals(number).name
    if self._at_once:
      self._at_once = False
      raise Preempted(self._name)
