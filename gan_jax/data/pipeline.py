"""Batches in a seeded order, each a function of the step alone."""

import functools
import sys
from collections.abc import Callable, Iterator

import grain
import numpy as np

from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest

_MOST_GROUPS = 256  # that are shown as often as each other

Batch = dict[str, np.ndarray]


def batches(
  dataset: ImageDataset,
  batch_size: int,
  *,
  seed: int,
  order: int = 0,
  start: int = 0,
  host: int = 0,
  hosts: int = 1,
  prefetch: int = 4,
  balanced: bool = False,
  balanced_by: str = '',
  class_group: int = 1,
) -> Iterator[Batch]:
  """Yields batches for ever, reshuffled every epoch.

  The draws of a run have numbers, and each is the same whatever was drawn before it, so that a run
  resumes by number, with batches of another size too. The hosts' parts of a batch, joined in their
  order, are the batch that one host would see.

  Args:
    dataset: what to read.
    batch_size: examples over all hosts.
    seed: of the order.
    order: which of the orders of that seed.
    start: number of the first draw: examples drawn before.
    host: index of this host.
    hosts: their number, a divisor of `batch_size`.
    prefetch: batches made ready ahead.
    balanced: every class as often as any other, see `BalancedOrder`, in place of epochs of all.
    balanced_by: attributes with commas between, whose values, or combinations of values, count in
      place of the class; images without a value are not shown.
    class_group: neighbours in a batch that are of one class, see `GroupedOrder`; 1: as they come.

  Yields:
    `image`, uint8 or uint16 `[batch_size / hosts, H, W, C]`, and `label`, int32.

  Raises:
    UserError: for a dataset smaller than a batch, one without classes or attributes to balance, or
      classes both balanced and grouped.
  """
  if len(dataset) < batch_size:
    raise UserError(
      f'dataset {dataset.name} has {len(dataset)} images; a batch takes {batch_size} '
      '(config.train.batch_size, twice where config.train.share_batch is False)'
    )
  share = batch_size // hosts
  first = host * share
  rows_of = _shuffled(len(dataset), (seed % 2**32, order))
  if balanced_by and not balanced:
    raise UserError(
      f'config.dataset.balanced_by={balanced_by!r}: needs config.dataset.balanced=True'
    )
  if balanced:
    if not dataset.num_classes and not balanced_by:
      raise UserError(
        f'config.dataset.balanced=True: dataset {dataset.name} has no labels; accepted: False'
      )
    of = attribute_groups(dataset, balanced_by) if balanced_by else None
    rows_of = BalancedOrder(
      dataset.labels(np.arange(len(dataset))) if of is None else of, seed, order
    )
  if class_group > 1:
    if balanced:
      raise UserError(
        f'config.dataset.class_group={class_group}: not with config.dataset.balanced=True; '
        'accepted: one of both'
      )
    rows_of = GroupedOrder(dataset.labels(np.arange(len(dataset))), class_group, seed, order)

  def load(number: int) -> Batch:
    return dataset.fetch(rows_of(start + number * batch_size + first + np.arange(share)))

  threads = 1 if dataset.in_memory else max(1, prefetch)
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(1, prefetch))
  numbers = grain.MapDataset.range(sys.maxsize)
  return iter(numbers.map(load).to_iter_dataset(options))


def attribute_groups(dataset: ImageDataset, names: str) -> np.ndarray:
  """Numbers the combinations of values of attributes, `[N]`; -1 for an image that lacks a value.

  Args:
    dataset: with the attributes.
    names: of them, with commas between.

  Raises:
    UserError: for an attribute that is not there, or of so many values that it makes no groups.
  """
  key = f'config.dataset.balanced_by={names!r}'
  texts, known = [], np.ones(len(dataset), bool)
  values = dataset.attributes(np.arange(len(dataset)))
  for name in names.split(','):
    if name not in values:
      has = nearest(name, values) if values else 'none: the dataset has no attributes'
      raise UserError(f'{key}: dataset {dataset.name} has no attribute {name!r}; {has}')
    own = values[name]
    texts.append(own.astype(str))
    known &= np.isfinite(own) if own.dtype.kind == 'f' else own != ''
  combined = np.stack(texts, axis=1)
  found, numbers = np.unique(combined[known], axis=0, return_inverse=True)
  if not 2 <= len(found) <= _MOST_GROUPS:
    raise UserError(
      f'{key}: {len(found):,} combinations of values; accepted: 2 to {_MOST_GROUPS} groups'
    )
  groups = np.full(len(dataset), -1, np.int32)
  groups[known] = numbers.ravel()
  return groups


class BalancedOrder:
  """Draws in rounds: each has every class that has images once, in a seeded order of its own.

  Within a class, images come in a seeded order that has all of them before any is there again.
  """

  def __init__(self, labels: np.ndarray, seed: int, order: int = 0):
    """Sorts the rows of a dataset, whose labels are `[N]`, by class; -1 is of none."""
    self._rows = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    self._seeds = seed % 2**32, order
    self._within = functools.lru_cache(maxsize=2 * len(self._rows))(self._epoch_of_class)

  def __call__(self, places: np.ndarray) -> np.ndarray:
    """The rows of draws by their numbers since the run began, `[n]`."""
    rounds, turns = np.divmod(places, len(self._rows))
    orders = {r: self._rng(0, r).permutation(len(self._rows)) for r in np.unique(rounds)}
    rows = []
    for number, turn in zip(rounds, turns, strict=True):
      place = int(orders[number][turn])
      epoch, rank = divmod(int(number), len(self._rows[place]))
      rows.append(self._within(place, epoch)[rank])
    return np.array(rows)

  def _epoch_of_class(self, place: int, epoch: int) -> np.ndarray:
    return self._rng(1 + place, epoch).permutation(self._rows[place])

  def _rng(self, *numbers: int) -> np.random.Generator:
    return _rng(self._seeds, *map(int, numbers))


class GroupedOrder:
  """Draws of which each group of neighbours is of one class.

  Where a discriminator looks at the deviation of neighbours (`deviation_group`), it then sees how
  much the images of a class differ; of mixed neighbours it sees how much the classes do, and a
  generator may draw each class's images alike without being told.

  An epoch has as many groups as fit into the dataset, divided among the classes by their sizes;
  what one has beyond whole groups is left to chance, so that over epochs each image is shown as
  often as any other. A class with fewer images than its groups take has some twice in that epoch.
  """

  def __init__(self, labels: np.ndarray, size: int, seed: int, order: int = 0):
    """Sorts the rows of a dataset, whose labels are `[N]`, for groups of `size`."""
    self._rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    self._size = size
    self._groups = max(1, len(labels) // size)
    self._seeds = seed % 2**32, order
    self._epoch = functools.lru_cache(maxsize=2)(self._epoch_of_groups)

  def __call__(self, places: np.ndarray) -> np.ndarray:
    """The rows of draws by their numbers since the run began, `[n]`."""
    epochs, places = np.divmod(places, self._groups * self._size)
    rows = [self._epoch(int(e)).flat[place] for e, place in zip(epochs, places, strict=True)]
    return np.array(rows)

  def _epoch_of_groups(self, epoch: int) -> np.ndarray:
    rng = _rng(self._seeds, epoch)
    ends = np.cumsum([len(rows) for rows in self._rows])
    # Systematic sampling: one shift for all keeps the number of groups, and each class's share.
    crossed = np.floor(ends * (self._groups / ends[-1]) + rng.uniform()).astype(int)
    crossed[-1] = self._groups
    counts = np.diff(crossed, prepend=0)
    groups = [
      np.resize(rng.permutation(rows), (count, self._size))
      for rows, count in zip(self._rows, counts, strict=True)
    ]
    return rng.permutation(np.concatenate(groups))


def _shuffled(count: int, seeds: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
  """The rows of draws by their numbers, reshuffled every epoch."""
  order = functools.lru_cache(maxsize=2)(functools.partial(_epoch_order, count, seeds))

  def rows_of(places: np.ndarray) -> np.ndarray:
    epochs, rows = np.divmod(places, count)
    return np.array([order(e)[r] for e, r in zip(epochs, rows, strict=True)])

  return rows_of


def _epoch_order(count: int, seeds: tuple[int, int], epoch: int) -> np.ndarray:
  return _rng(seeds, epoch).permutation(count)


def _rng(seeds: tuple[int, int], *numbers: int) -> np.random.Generator:
  seed, order = seeds
  return np.random.default_rng((seed, *numbers, order) if order else (seed, *numbers))
