"""Where the time of a run goes."""

import collections
import contextlib
import time
from collections.abc import Iterator

TRAINING = ('input', 'step')
"""The parts that training consists of: images/s is of these alone."""


class Clock:
  """Adds up seconds by part; within a part, another one takes its own time out of it.

  A step is dispatched and waited for later: `step` is what the loop spends on dispatching and on
  waiting for the device, `input` what it waits for the next batch.
  """

  def __init__(self) -> None:
    self._totals: dict[str, float] = collections.defaultdict(float)
    self._logged: dict[str, float] = {}
    self._stack: list[str] = []
    self._since = time.perf_counter()

  @contextlib.contextmanager
  def __call__(self, part: str) -> Iterator[None]:
    """Counts what is done within this context as a part's."""
    self._switch()
    self._stack.append(part)
    try:
      yield
    finally:
      self._switch()
      self._stack.pop()

  def totals(self) -> dict[str, float]:
    """Seconds of each part so far."""
    self._switch()
    return dict(self._totals)

  def since_log(self) -> dict[str, float]:
    """Seconds of each part since this was last asked."""
    totals = self.totals()
    found = {part: s - self._logged.get(part, 0.0) for part, s in totals.items()}
    self._logged = totals
    return found

  def _switch(self) -> None:
    now = time.perf_counter()
    if self._stack:
      self._totals[self._stack[-1]] += now - self._since
    self._since = now


def summary(totals: dict[str, float]) -> str:
  """One line: where the time went, the most first."""
  whole = sum(totals.values()) or 1.0
  parts = sorted(totals.items(), key=lambda item: -item[1])
  return ', '.join(f'{part} {seconds:,.1f} s ({seconds / whole:.0%})' for part, seconds in parts)
