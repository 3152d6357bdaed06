"""What a file of `configs/ablations` says: the variants of a config, the seeds, the budget.

Variants are overrides by name: `{'hinge': {'loss.name': 'hinge'}}`. A key that ends in `+` or `-`
adds to a tuple of names, or takes out of it: `{'regularisers+': 'r1'}`. The functions below make
variants out of smaller parts; whatever else Python can write into a dict will do as well.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from flax import traverse_util
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import UserError, nearest

Overrides = Mapping[str, Any]
Variants = dict[str, Overrides]

ENDS = ('end', 'best', 'area')
MOST_IMAGES = 2**31 - 1  # the longest run that a config accepts


class Budget(NamedTuple):
  """What every run gets, in one of three units.

  Attributes:
    images: real images shown.
    steps: of the discriminator and the generator, whatever the batch.
    seconds: of training: steps and input, without compilation, scores and saving. The same budget
      on a machine that is busy with something else is another one, and no such run is made again to
      the same bits.
  """

  images: int = 0
  steps: int = 0
  seconds: float = 0.0

  def __str__(self) -> str:
    unit, amount = self.unit
    return f'{amount:,g} {unit}' + (' of training' if unit == 'seconds' else '')

  @property
  def unit(self) -> tuple[str, float]:
    """The name of the unit, and how much of it.

    Raises:
      UserError: where it is given in none or in several, or is not positive.
    """
    given = {name: value for name, value in self._asdict().items() if value}
    if len(given) != 1 or min(given.values()) < 0:
      raise UserError(
        f'budget={given or "nothing"}: accepted: one of images, steps and seconds, above 0'
      )
    return next(iter(given.items()))


@dataclasses.dataclass(frozen=True)
class Sweep:
  """An ablation.

  Attributes:
    question: that it answers, one line for the page.
    base: config that every variant changes.
    variants: what each changes, by its name.
    baseline: the variant that the others are compared with.
    budget: of each run.
    seeds: of the runs of each variant; the same seed is the same order of the data, the same
      initial key and the same latents of the sample grids in all of them.
    score: that variants are compared by, `<metric>_<features>`; '': the base's
      `checkpoint.best_score`.
    end: which number of a run counts: the score at its `end`; that of its `best` checkpoint,
      chosen on one half of the samples and scored on the other; or the `area` under its curve, the
      mean score over the images shown.
  """

  question: str
  base: ConfigDict
  variants: Mapping[str, Overrides]
  baseline: str
  budget: Budget
  seeds: tuple[int, ...] = (0, 1, 2)
  score: str = ''
  end: str = 'end'

  @property
  def compared_by(self) -> str:
    """The name of the score."""
    return self.score or self.base.checkpoint.best_score

  def check(self) -> None:
    """Raises UserError for what no sweep can be; configs are checked one by one elsewhere."""
    if not self.variants or not self.seeds:
      raise UserError('variants and seeds: accepted: one of each or more')
    if self.baseline not in self.variants:
      raise UserError(f'baseline={self.baseline!r}: {nearest(self.baseline, self.variants)}')
    if len(set(self.seeds)) < len(self.seeds):
      raise UserError(f'seeds={self.seeds}: accepted: different ones')
    if self.end not in ENDS:
      raise UserError(f'end={self.end!r}: {nearest(self.end, ENDS)}')
    self.budget.unit  # noqa: B018 - raises

  def config(self, variant: str, seed: int) -> ConfigDict:
    """The config of one run.

    Raises:
      UserError: for an override that the base has no key for, or whose value is of another type.
    """
    config = ConfigDict(self.base.to_dict())
    for key, value in self.variants[variant].items():
      _override(config, key, value, variant)
    config.seed = seed
    return self._with_budget(config)

  def config_of_base(self) -> ConfigDict:
    """The base, with the budget and what else all runs of the sweep have."""
    return self._with_budget(ConfigDict(self.base.to_dict()))

  def _with_budget(self, config: ConfigDict) -> ConfigDict:
    unit, amount = self.budget.unit
    if unit == 'seconds':
      config.train.seconds = float(amount)
      config.train.images = MOST_IMAGES
    else:
      shown = 1 if unit == 'images' else build.images_per_step(config)
      config.train.images = int(amount) * shown
    config.checkpoint.best_score = self.compared_by
    config.evaluate.halves = True
    return config


def grid(axes: Mapping[str, Any]) -> Variants:
  """Every combination of the values of several axes.

  Args:
    axes: of each key, its values; or of a name, its settings: overrides by what they are called.
  """
  settings = [_settings(axis, values) for axis, values in axes.items()]
  return {
    ', '.join(name for name, _ in combination): _merged(changes for _, changes in combination)
    for combination in itertools.product(*settings)
  }


def zip(axes: Mapping[str, Any]) -> Variants:
  """The first values of all axes together, then the second ones, and so on.

  Args:
    axes: as of `grid`, all of one length.
  """
  settings = [_settings(axis, values) for axis, values in axes.items()]
  if len({len(each) for each in settings}) > 1:
    lengths = {axis: len(values) for axis, values in axes.items()}
    raise UserError(f'zip: axes of different lengths: {lengths}')
  return {
    ', '.join(name for name, _ in together): _merged(changes for _, changes in together)
    for together in itertools.zip_longest(*settings)
  }


def chain(*variants: Variants) -> Variants:
  """All variants of several sets; one that is in two of them has to be the same in both."""
  found: Variants = {}
  for name, changes in itertools.chain.from_iterable(each.items() for each in variants):
    if found.setdefault(name, changes) != changes:
      raise UserError(f'chain: two different variants are called {name!r}')
  return found


def one_at_a_time(
  changes: Mapping[str, Overrides], baseline: str = 'baseline', common: Overrides | None = None
) -> Variants:
  """The baseline, and the baseline with one change at a time.

  What adds one thing makes it add-one-in; what takes one thing away, leave-one-out.

  Args:
    changes: overrides by name.
    baseline: its name.
    common: overrides of all of them.
  """
  common = common or {}
  return {baseline: common} | {name: _merged((common, change)) for name, change in changes.items()}


def leave_one_out(
  parts: Mapping[str, Overrides], whole: str = 'all', common: Overrides | None = None
) -> Variants:
  """The whole of several parts, and the whole without one of them at a time."""
  common = common or {}
  return {whole: _merged((common, *parts.values()))} | {
    f'without {name}': _merged((common, *(p for other, p in parts.items() if other != name)))
    for name in parts
  }


def changes(base: ConfigDict, other: ConfigDict) -> Overrides:
  """The overrides that make another config out of a base: two whole recipes as variants."""
  old, new = (traverse_util.flatten_dict(each.to_dict(), sep='.') for each in (base, other))
  return {key: value for key, value in new.items() if key not in old or old[key] != value}


def _settings(axis: str, values: Any) -> list[tuple[str, Overrides]]:
  if isinstance(values, Mapping):
    return list(values.items())
  return [(f'{axis}={_shown(value)}', {axis: value}) for value in values]


def _shown(value: Any) -> str:
  if isinstance(value, tuple | list):
    return '+'.join(map(str, value)) or 'none'
  return f'{value:g}' if isinstance(value, float) else str(value)


def _merged(overrides: Iterable[Overrides]) -> Overrides:
  """Overrides one after the other: of one key the last counts, what is added or taken adds up."""
  merged: dict[str, Any] = {}
  for each in overrides:
    for key, value in each.items():
      if key.endswith(('+', '-')):
        merged[key] = (*merged.get(key, ()), *_as_tuple(value))
      else:
        merged[key] = value
  return merged


def _as_tuple(value: Any) -> tuple[Any, ...]:
  return (value,) if isinstance(value, str) else tuple(value)


def _override(config: ConfigDict, key: str, value: Any, variant: str) -> None:
  *path, last = key.rstrip('+-').split('.')
  say = f'variant {variant!r}: {key}'
  try:
    section = functools.reduce(lambda inner, name: inner[name], path, config)
    old = section[last]
  except (KeyError, TypeError, AttributeError):
    raise UserError(f'{say}: there is no such key in the base config') from None
  if key.endswith(('+', '-')):
    if not isinstance(old, tuple | list):
      raise UserError(f'{say}: {old!r} is no tuple that can be added to or taken from')
    given = _as_tuple(value)
    if key.endswith('-') and (absent := [each for each in given if each not in old]):
      raise UserError(f'{say}: {absent[0]!r} is not in {tuple(old)}')
    kept = [each for each in old if each not in given]
    value = tuple(kept) if key.endswith('-') else (*kept, *given)
  try:
    section[last] = value
  except (TypeError, ValueError) as error:
    raise UserError(f'{say}={value!r}: {" ".join(str(error).split())}') from None
