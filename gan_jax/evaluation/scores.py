"""A score as it is kept and shown: its name says features, resize and number of images."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.metrics.estimate import LEVEL, Estimate


class Score(NamedTuple):
  """One score of one set of images.

  Attributes:
    metric: such as `fd`.
    features: the feature network's name; '' for a score of the images themselves.
    resize: how images were brought to the network's size; `none` where they were not.
    higher_is_better: which way it is read; None: beside its floor.
    estimate: the score and its interval.
    n: generated images.
    n_real: real images that they are compared with.
    floor: the same of held-out real images in place of generated ones, or None.
    n_floor: their number.
    n_real_floor: real images that these are compared with.
    details: the score of each class, by its number.
    repeats: the value for each sampling seed, where several were asked for; `estimate` is that of
      the first.
    halves: the values of every other image and of the rest, where they were asked for: by one a
      checkpoint can be chosen, and scored by the other.
  """

  metric: str
  features: str
  resize: str
  higher_is_better: bool | None
  estimate: Estimate
  n: int
  n_real: int
  floor: Estimate | None = None
  n_floor: int = 0
  n_real_floor: int = 0
  details: dict[int, Estimate] = {}  # noqa: RUF012 - never changed
  repeats: tuple[float, ...] = ()
  halves: tuple[float, ...] = ()

  @property
  def key(self) -> str:
    """What configs call it: `fd_inception_v3`."""
    return '_'.join(part for part in (self.metric, self.features) if part)

  @property
  def name(self) -> str:
    """The whole name: `fd_inception_v3_antialias_n50000`."""
    shown = self.key
    if self.resize != 'none' and not shown.endswith(self.resize):
      shown += f'_{self.resize}'
    return f'{shown}_n{self.n}'


class Scored(NamedTuple):
  """The scores of one set of images.

  Attributes:
    subject: what was scored: a run, or a folder.
    scores: of it.
    step: of the checkpoint; None for a folder.
    images: real images that the checkpoint had been shown.
    class_names: what its details are of, in their order.
  """

  subject: str
  scores: list[Score]
  step: int | None = None
  images: int | None = None
  class_names: tuple[str, ...] = ()

  @property
  def label(self) -> str:
    """What it is called beside others."""
    return self.subject if self.images is None else f'{self.subject} at {self.images:,} images'


def flat(scores: Iterable[Score]) -> dict[str, float]:
  """Scores as one line of a record: by key, with `_low`, `_high`, `floor_<key>` and the `n_`s."""
  found: dict[str, float] = {}
  floors: dict[str, float] = {}
  for score in scores:
    value, low, high = score.estimate
    found |= {score.key: value, f'{score.key}_low': low, f'{score.key}_high': high}
    found |= {f'{score.key}_half{n}': value for n, value in enumerate(score.halves, start=1)}
    if score.floor is not None:
      floors[f'floor_{score.key}'] = score.floor.value
      floors['n_floor'] = score.n_floor
    floors |= {'n_real': score.n_real, 'n_fake': score.n}
  return {**found, **floors}


def as_json(score: Score) -> dict[str, Any]:
  """A score as JSON holds it."""
  interval = lambda estimate: None if estimate is None else estimate._asdict()
  return {
    'name': score.name,
    'key': score.key,
    'metric': score.metric,
    'features': score.features or None,
    'resize': score.resize,
    'higher_is_better': score.higher_is_better,
    'n': score.n,
    'n_real': score.n_real,
    **score.estimate._asdict(),
    'level': LEVEL,
    'floor': interval(score.floor),
    'n_floor': score.n_floor,
    'n_real_floor': score.n_real_floor,
    'repeats': list(score.repeats),
    'halves': list(score.halves),
    'details': {str(number): detail._asdict() for number, detail in score.details.items()},
  }


def check_comparable(sizes: dict[str, int], allow: bool, flag: str = 'num_samples') -> None:
  """Raises UserError for sets of different size: most scores depend on the number of images.

  Args:
    sizes: number of images of each set, by its name.
    allow: whether the user asked for it all the same.
    flag: that gives them one number.
  """
  if len(set(sizes.values())) > 1 and not allow:
    found = ', '.join(f'{name}: {size:,}' for name, size in sizes.items())
    raise UserError(
      f'scores of different numbers of images cannot be compared ({found}); give '
      f'--{flag}={min(sizes.values())}, or --allow_different_n'
    )


def best(rows: list[Scored], key: str) -> tuple[int, list[int]]:
  """The best of several rows by the score `key`, and the others that its interval reaches.

  Raises:
    UserError: where there is no such score.
  """
  keys = [score.key for score in rows[0].scores if score.higher_is_better is not None]
  if key not in keys:
    raise UserError(f'--best={key}: {nearest(key, keys)}')
  found = [{score.key: score for score in row.scores}.get(key) for row in rows]
  sign = -1 if next(score for score in found if score).higher_is_better else 1
  values = [np.nan if score is None else sign * score.estimate.value for score in found]
  first = int(np.nanargmin(values)) if not np.isnan(values).all() else 0
  winner = found[first]
  if winner is None:  # nothing but NaN, and this row lacks even that
    return first, []
  low, high = sorted(sign * end for end in winner.estimate[1:])
  near = [i for i, value in enumerate(values) if i != first and low <= value <= high]
  return first, near
