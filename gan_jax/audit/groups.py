"""The groups that images fall into: classes, attributes, and intersections of two of them."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.audit.subject import Subject
from gan_jax.data.source import ImageDataset
from gan_jax.data.subset import Subset
from gan_jax.errors import UserError, nearest

CLASS = 'class'
LEAST_HELD_OUT = 10  # of a category: by fewer a predictor's errors are not known
LEAST_TRAIN = 20  # of a category: from fewer nothing is learnt
_MOST = 24  # categories of a grouping
_BINS = 4  # of a number with more than so many values
OTHERS = 'others'


class Grouping(NamedTuple):
  """A way to sort images into categories.

  Attributes:
    name: `class`, an attribute, or two of these with ` x ` between.
    categories: their names.
    train: the category of each image of `Subject.train`, -1 where it is not known, `[N]`.
    holdout: the same of `Subject.holdout`, `[M]`.
    parts: the two that an intersection is of, by name; () else.
    pairs: of an intersection, the category of each pair of categories, `[K1, K2]`.
    members: of each category, those that were taken for one in it; () where none were.
  """

  name: str
  categories: tuple[str, ...]
  train: np.ndarray
  holdout: np.ndarray
  parts: tuple[str, ...] = ()
  pairs: np.ndarray | None = None
  members: tuple[tuple[str, ...], ...] = ()

  def merged(self, first: int, second: int) -> tuple['Grouping', np.ndarray]:
    """The same with two categories taken for one, and where each category is in it, `[K]`.

    The one stands where the first was, which is before the second.
    """
    kept = np.delete(np.arange(len(self.categories)), second)
    into = np.searchsorted(kept, np.arange(len(self.categories)))
    into[second] = into[first]
    own = self.names
    members = tuple(own[place] + (own[second] if place == first else ()) for place in kept)
    onwards = lambda places: np.where(places >= 0, into[places], -1)
    return Grouping(
      self.name,
      tuple(' or '.join(names) for names in members),
      onwards(self.train),
      onwards(self.holdout),
      self.parts,
      None if self.pairs is None else onwards(self.pairs),
      members,
    ), into

  @property
  def names(self) -> tuple[tuple[str, ...], ...]:
    """The names that the data have for each category: several where they were taken for one."""
    return self.members or tuple((name,) for name in self.categories)

  @property
  def data_shares(self) -> np.ndarray:
    """Shares of the categories among the training images whose category is known, `[K]`."""
    counts = np.bincount(self.train[self.train >= 0], minlength=len(self.categories))
    return counts / counts.sum()


class Refusal(NamedTuple):
  """What cannot be told, and why."""

  name: str
  reason: str


def of_subject(
  subject: Subject, attributes: Sequence[str] | None
) -> tuple[list[Grouping], list[Refusal]]:
  """Classes and attributes of a subject's data, and their intersections of two.

  Args:
    subject: whose data.
    attributes: those that are asked for, `class` among them or not; None: all.

  Raises:
    UserError: for an attribute that the data do not have.
  """
  known = [*([CLASS] if subject.num_classes > 1 else []), *subject.train.attribute_names]
  for name in attributes or ():
    if name not in known:
      raise UserError(
        f'--attributes={name}: {subject.train.name} has no such; '
        f'{nearest(name, known) if known else "it has neither classes nor attributes"}'
      )
  found: list[Grouping] = []
  refused: list[Refusal] = []
  for name in known if attributes is None else attributes:
    one = _single(subject, name)
    (found if isinstance(one, Grouping) else refused).append(one)  # type: ignore[arg-type]
  for first, second in itertools.combinations(list(found), 2):
    one = _crossed(first, second)
    (found if isinstance(one, Grouping) else refused).append(one)  # type: ignore[arg-type]
  return found, refused


def _single(subject: Subject, name: str) -> Grouping | Refusal:
  train, holdout = subject.train, subject.holdout
  own, held_out = (_values(each, name) for each in (train, holdout))
  if own is None or held_out is None:
    return Refusal(name, 'the held-out images have no such')
  texts = (
    _binned(own, held_out) if own.dtype.kind == held_out.dtype.kind == 'f' else [own, held_out]
  )
  names = sorted(set(texts[0].tolist()) - {''})
  if name == CLASS:
    names = [each for each in subject.class_names if each in set(names)]
  if len(names) < 2:
    return Refusal(name, f'{len(names)} value among the training images; needed: two')
  if len(names) > _MOST and _many_are_rare(texts[0], names):
    return Refusal(name, f'{len(names):,} values, most of them rare: no category')
  return _grouping(name, names, texts[0], texts[1])


def _values(dataset: ImageDataset, name: str) -> np.ndarray | None:
  rows = np.arange(len(dataset))
  if name == CLASS:
    if not dataset.num_classes:
      return None
    return np.array(dataset.class_names)[dataset.labels(rows)]
  return dataset.attributes(rows).get(name)


def _binned(train: np.ndarray, holdout: np.ndarray) -> list[np.ndarray]:
  """Numbers as categories: their values or, of many, ranges with as many training images each."""
  own = np.unique(train[np.isfinite(train)])
  if len(own) <= _BINS + 1:
    return [
      np.array([f'{value:g}' if np.isfinite(value) else '' for value in values])
      for values in (train, holdout)
    ]
  edges = np.unique(np.quantile(train[np.isfinite(train)], np.linspace(0, 1, _BINS + 1)))
  names = [f'{a:g} to {b:g}' for a, b in itertools.pairwise(edges)]
  found = []
  for values in (train, holdout):
    places = np.searchsorted(edges[1:-1], np.nan_to_num(values), side='right')
    found.append(np.where(np.isfinite(values), np.array(names)[places], ''))
  return found


def _many_are_rare(values: np.ndarray, names: Sequence[str]) -> bool:
  _, counts = np.unique(values, return_counts=True)
  return bool(np.sum(counts >= LEAST_TRAIN) < min(len(names) / 2, 2 * _MOST))


def _grouping(
  name: str, names: Sequence[str], train: np.ndarray, holdout: np.ndarray
) -> Grouping | Refusal:
  """Numbers the categories; those with too few images are put together as `others`."""
  enough = [
    each
    for each in names
    if np.sum(train == each) >= LEAST_TRAIN and np.sum(holdout == each) >= LEAST_HELD_OUT
  ]
  rest = [each for each in names if each not in enough]
  needed = f'needed of a value: {LEAST_TRAIN} to learn from, {LEAST_HELD_OUT} held out'
  of_rest = [int(np.isin(each, rest).sum()) for each in (train, holdout)]
  categories = [*enough]
  if rest and of_rest[0] >= LEAST_TRAIN and of_rest[1] >= LEAST_HELD_OUT:
    categories.append(OTHERS)
  if len(categories) < 2 or not enough:
    return Refusal(name, f'too few images; {needed}')
  places = {each: categories.index(each) for each in enough}
  places |= dict.fromkeys(rest, categories.index(OTHERS) if OTHERS in categories else -1)
  number = lambda values: np.array([places.get(each, -1) for each in values.tolist()], np.int32)
  return Grouping(name, tuple(categories), number(train), number(holdout))


def _crossed(first: Grouping, second: Grouping) -> Grouping | Refusal:
  """The intersection of two."""
  name = f'{first.name} x {second.name}'
  if len(first.categories) * len(second.categories) > 4 * _MOST:
    return Refusal(name, 'more combinations than held-out images can tell apart')
  texts = np.array([[f'{a}, {b}' for b in second.categories] for a in first.categories])

  def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.where((one >= 0) & (other >= 0), texts[one, other], '')

  found = _grouping(
    name,
    texts.ravel().tolist(),
    joined(first.train, second.train),
    joined(first.holdout, second.holdout),
  )
  if isinstance(found, Refusal):
    return found
  if len(found.categories) > _MOST:
    return Refusal(name, f'{len(found.categories)} combinations; at most {_MOST} are looked at')
  last = found.categories.index(OTHERS) if OTHERS in found.categories else -1
  number = {each: place for place, each in enumerate(found.categories)}
  pairs = np.array([[number.get(text, last) for text in row] for row in texts.tolist()], np.int32)
  return found._replace(parts=(first.name, second.name), pairs=pairs)


class Relabelled(Subset):
  """The images of a dataset whose category is known, with that as their label."""

  def __init__(self, whole: ImageDataset, categories: np.ndarray, names: Sequence[str]):
    """Takes the category of each image of the whole, -1 where it is not known, `[N]`."""
    super().__init__(whole, np.flatnonzero(categories >= 0))
    self._own = categories[categories >= 0].astype(np.int32)
    self.class_names, self.num_classes = list(names), len(names)
    digest = hashlib.sha256(self.fingerprint.encode() + self._own.tobytes())
    self.fingerprint = digest.hexdigest()[:16]

  def fetch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Reads examples, as `ImageDataset.fetch`."""
    return {**super().fetch(indices), 'label': self._own[np.asarray(indices)]}

  def labels(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """The categories, int32 `[n]`."""
    return self._own[np.asarray(indices)]
