"""One-line alarms: overfitting, collapse, a dead player, each with what people do about it."""

import collections
import math
from collections.abc import Callable
from typing import Any, NamedTuple

Values = dict[str, float]

# Logs that are looked at together: one batch of held-out images says little.
WINDOW = 5
# Of the way from the logits of training images to those of fakes, how far held-out images are
# (r_v of ADA, arXiv:2006.06676, Eq. 1): at one half, the discriminator knows its images by heart as
# much as it knows what is real.
OVERFIT, OVERFIT_NO_MORE = 0.5, 0.3
# The spread of fakes of one class over what it was at its best in this run.
COLLAPSED, COLLAPSED_NO_MORE = 0.2, 0.4
# A gradient of float32 that moves nothing any more.
DEAD = 1e-7


class Alarm(NamedTuple):
  """A thing that goes wrong.

  Attributes:
    name: of the alarm.
    begins: whether the last logs say so.
    ends: whether they say that it is over.
    text: what is wrong and what people do about it.
  """

  name: str
  begins: Callable[['Alarms'], bool]
  ends: Callable[['Alarms'], bool]
  text: str


class Alarms:
  """Watches the values of each log of a run."""

  def __init__(self, before: dict[str, Any] | None = None):
    """Begins, or goes on from what `state` gave."""
    before = before or {}
    self._last: collections.deque[Values] = collections.deque(before.get('last', []), WINDOW)
    self._on: set[str] = set(before.get('on', []))
    self._best_diversity: float = before.get('best_diversity', 0.0)

  def state(self) -> dict[str, Any]:
    """What it has seen, of JSON's types: goes with a checkpoint."""
    on = sorted(self._on)
    return {'last': list(self._last), 'on': on, 'best_diversity': self._best_diversity}

  def update(self, values: Values) -> list[Alarm]:
    """Takes the values of one more log; returns the alarms that begin with it."""
    self._last.append(values)
    if self.full:
      self._best_diversity = max(self._best_diversity, self.mean('fake_diversity') or 0.0)
    begun = []
    for alarm in ALARMS:
      if alarm.name not in self._on and self.full and alarm.begins(self):
        self._on.add(alarm.name)
        begun.append(alarm)
      elif alarm.name in self._on and alarm.ends(self):
        self._on.discard(alarm.name)
    return begun

  @property
  def full(self) -> bool:
    """Whether there are as many logs as are looked at together."""
    return len(self._last) == WINDOW

  def mean(self, name: str) -> float | None:
    """The mean of a value over the last logs; None where it is not logged."""
    found = [values[name] for values in self._last if math.isfinite(values.get(name, math.nan))]
    return sum(found) / len(found) if found else None

  def gap(self) -> float:
    """How far held-out images are from training ones, towards fakes; 0 where it is not known."""
    train, holdout, fake = map(self.mean, ('d_train_logit', 'd_holdout_logit', 'd_fake_logit'))
    if train is None or holdout is None or fake is None or train <= fake:
      return 0.0
    return (train - holdout) / (train - fake)

  def diversity(self) -> float:
    """The spread of fakes over its best; 1 where it is not known."""
    found = self.mean('fake_diversity')
    return 1.0 if found is None or not self._best_diversity else found / self._best_diversity

  def dead(self, player: str) -> bool:
    """Whether a player's gradient is nothing in all of the last logs."""
    norms = [values.get(f'{player}_grad_norm', math.inf) for values in self._last]
    return max(norms, default=math.inf) < DEAD


ALARMS = (
  Alarm(
    'overfitting',
    lambda a: a.gap() > OVERFIT,
    lambda a: a.gap() < OVERFIT_NO_MORE,
    'overfitting: D judges held-out images more like fakes than like the images it is trained on; '
    'people augment (augment.names=diffaugment, or ada with augment.adaptive=True), raise '
    'r1.weight, train for less, or add images',
  ),
  Alarm(
    'collapse',
    lambda a: a.diversity() < COLLAPSED,
    lambda a: a.diversity() > COLLAPSED_NO_MORE,
    'collapse: fakes of one class have become nearly the same; people go back to an earlier '
    'checkpoint and lower the learning rates, raise r1.weight, or take a larger batch',
  ),
  Alarm(
    'dead discriminator',
    lambda a: a.dead('d'),
    lambda a: not a.dead('d'),
    'dead discriminator: its gradient is nothing; people lower its learning rate, or leave loss '
    'functions that saturate (loss.name=nonsaturating)',
  ),
  Alarm(
    'dead generator',
    lambda a: a.dead('g'),
    lambda a: not a.dead('g'),
    'dead generator: its gradient is nothing, D is sure of everything; people raise r1.weight, '
    "lower the discriminator's learning rate, or take loss.name=nonsaturating",
  ),
)
