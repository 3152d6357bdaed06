"""The metrics of steps: fetched while later steps run, checked, averaged, logged, watched."""

import collections
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_jax.monitoring import alarms
from gan_jax.monitoring.clock import TRAINING, Clock
from gan_jax.progress import ProgressBar
from gan_jax.runtime import parallel
from gan_jax.workdir import record

Values = dict[str, float]
Window = dict[str, list[float]]
"""Sum and number of values of each metric since the last line."""


class NotFinite(NamedTuple):
  """A step whose loss or gradient is not finite."""

  step: int
  player: str
  values: Values


class MetricsLog:
  """Takes the metrics of each step as they are dispatched, and logs their means.

  Metrics are of the device until they are read: the newest steps' are left on their way, so that
  the device never waits for the host.
  """

  def __init__(
    self,
    writer: record.Record,
    bar: ProgressBar,
    clock: Clock,
    images: Callable[[int], int],
    due: Callable[[int], bool],
    window: Window | None = None,
    alarms_before: dict[str, Any] | None = None,
  ):
    """Begins, or goes on as it was when the run was saved.

    Args:
      writer: of the run.
      bar: that shows the newest averages.
      clock: that knows where the time goes.
      images: shown after a number of steps.
      due: whether a line is due after a step.
      window: of the steps since the last line, as `window` gave it then.
      alarms_before: as `alarms` gave it then.
    """
    self._writer, self._bar, self._clock = writer, bar, clock
    self._images, self._due = images, due
    self._pending: collections.deque[tuple[int, Any, Any]] = collections.deque()
    self._sums: Window = {name: list(pair) for name, pair in (window or {}).items()}
    self._steps = 0  # of this start since the last line
    self._alarms = alarms.Alarms(alarms_before)

  def add(self, step: int, metrics: Any, diagnosis: Any = None) -> None:
    """Takes what a step returned, and a diagnosis after it, still on the devices."""
    self._pending.append((step, metrics, diagnosis))

  def drain(self, keep: int) -> NotFinite | None:
    """Reads all but the newest steps; stops at one that is not finite and returns it."""
    while len(self._pending) > keep:
      step, metrics, diagnosis = self._pending.popleft()
      values = _fetched(metrics)
      for player, name in (('d', 'discriminator'), ('g', 'generator')):
        if not values.pop(f'{player}_finite'):
          return NotFinite(step, name, values)
      self._sum(values)
      if self._due(step):
        self._log(step, {} if diagnosis is None else _fetched(diagnosis))
    return None

  @property
  def window(self) -> Window:
    """What the next line will be the mean of, as far as it is read."""
    return {name: list(pair) for name, pair in self._sums.items()}

  @property
  def alarms(self) -> dict[str, Any]:
    """What the alarms have seen, of JSON's types."""
    return self._alarms.state()

  def _sum(self, values: Values) -> None:
    """Adds a step; of a lazy term, which is NaN in between, those steps that had it."""
    self._steps += 1
    for name, value in values.items():
      if not math.isnan(value):
        total, count = self._sums.get(name, (0.0, 0))
        self._sums[name] = [total + value, count + 1]

  def _means(self) -> Values:
    return {name: total / count for name, (total, count) in self._sums.items()}

  def _log(self, step: int, diagnosis: Values) -> None:
    images, seconds = self._images(step), self._clock.since_log()
    training = sum(seconds.get(part, 0.0) for part in TRAINING)
    shown = images - self._images(step - self._steps)
    values = {**self._means(), **diagnosis}
    values['images_per_second'] = rate = shown / training if training else math.nan
    values |= {f'seconds_{part}': round(value, 4) for part, value in seconds.items()}
    self._sums, self._steps = {}, 0
    self._writer.write('train', step, images, values)
    self._bar.log(images, rate, values['d_loss'], values['g_loss'])
    for alarm in self._alarms.update(values):
      self._writer.write('alarm', step, images, {'alarm': alarm.name, 'text': alarm.text})
      self._bar.say(f'! {images:,} images: {alarm.text}')


def _fetched(metrics: Any) -> Values:
  return {name: float(value) for name, value in parallel.to_host(metrics).items()}
