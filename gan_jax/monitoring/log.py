"""The metrics of steps: fetched while later steps run, checked, averaged, logged, watched."""

import collections
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.monitoring import alarms
from gan_jax.monitoring.clock import TRAINING, Clock
from gan_jax.progress import ProgressBar
from gan_jax.runtime import parallel
from gan_jax.workdir import record

Values = dict[str, float]


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
  ):
    """Begins, or goes on after the lines that are in the record.

    Args:
      writer: of the run.
      bar: that shows the newest averages.
      clock: that knows where the time goes.
      images: shown after a number of steps.
      due: whether a line is due after a step.
    """
    self._writer, self._bar, self._clock = writer, bar, clock
    self._images, self._due = images, due
    self._pending: collections.deque[tuple[int, Any, Any]] = collections.deque()
    self._window: list[Values] = []
    self._alarms = alarms.Alarms()
    for line in record.read_metrics(writer.workdir, 'train'):
      self._alarms.update(line)

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
      self._window.append(values)
      if self._due(step):
        self._log(step, {} if diagnosis is None else _fetched(diagnosis))
    return None

  def _log(self, step: int, diagnosis: Values) -> None:
    images, seconds = self._images(step), self._clock.since_log()
    training = sum(seconds.get(part, 0.0) for part in TRAINING)
    rate = self._images(len(self._window)) / training if training else math.nan
    values = {**_means(self._window), **diagnosis, 'images_per_second': rate}
    values |= {f'seconds_{part}': round(value, 4) for part, value in seconds.items()}
    self._window = []
    self._writer.write('train', step, images, values)
    self._bar.log(images, rate, values['d_loss'], values['g_loss'])
    for alarm in self._alarms.update(values):
      self._writer.write('alarm', step, images, {'alarm': alarm.name, 'text': alarm.text})
      self._bar.say(f'! {images:,} images: {alarm.text}')


def _fetched(metrics: Any) -> Values:
  return {name: float(value) for name, value in parallel.to_host(metrics).items()}


def _means(window: list[Values]) -> Values:
  """The mean of each value; of a lazy term, which is NaN in between, over the steps that had it."""
  means = {}
  for name in window[0]:
    found = [values[name] for values in window if not math.isnan(values[name])]
    if found:
      means[name] = float(np.mean(found))
  return means
