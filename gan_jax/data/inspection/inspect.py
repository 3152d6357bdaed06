"""Looks at a dataset before it is trained on: counts, sizes, balance, copies, unreadable files."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.ingest import fit
from gan_jax.data.inspection import measurement, perceptual
from gan_jax.data.inspection.split_reader import Example, Split, SplitReader
from gan_jax.errors import UserError

MAX_PAIRS = 20  # near-duplicates of two splits that are kept to be looked at
MAX_CLASSES = 40  # classes that are kept to be looked at: the largest and the smallest
_PER_CLASS, _PER_SPLIT = 8, 32  # examples to look at
_CHANNELS = {
  1: ('grey',),
  3: ('red', 'green', 'blue'),
  4: ('red', 'green', 'blue', 'alpha'),
}


class Overlap(NamedTuple):
  """What two splits share, or one split holds more than once. Blank images are left out.

  Attributes:
    first: name of a split.
    second: name of another split, or of the same.
    exact: images of `second` whose pixels are also in `first`; within a split, one fewer than
      there are of each.
    near: images of `second` that look like one of `first`, `exact` among them; likewise.
    pairs: at most `MAX_PAIRS` of these, exact copies last, with the difference of their thumbnails;
      it is above the threshold where two are alike only through others between them.
    groups: values of the feature `group` that are in both splits; empty within a split.
  """

  first: str
  second: str
  exact: int
  near: int
  pairs: tuple[tuple[Example, Example, float], ...]
  groups: tuple[str, ...]


class SheetRow(NamedTuple):
  """Examples of one class, or, without classes, of one split with -1 for the label."""

  title: str
  label: int
  examples: tuple[Example, ...]


class Inspection(NamedTuple):
  """What is in a dataset.

  Attributes:
    name: of the dataset.
    class_names: empty without classes.
    channels: what the dataset's images are read as, such as `('red', 'green', 'blue')`.
    splits: in the order given, else the largest first.
    overlaps: of every two splits, and of each with itself.
    complete: False where the search for near-duplicates was cut short.
    sheet: examples to look at.
    pictures: uint8 `[h, w, 4]`, RGBA, of the examples in `sheet` and `pairs`, by split and row.
  """

  name: str
  class_names: tuple[str, ...]
  channels: tuple[str, ...]
  splits: tuple[Split, ...]
  overlaps: tuple[Overlap, ...]
  complete: bool
  sheet: tuple[SheetRow, ...]
  pictures: dict[tuple[str, int], np.ndarray]


def imbalance(counts: Sequence[int]) -> tuple[float, float]:
  """How uneven classes are.

  Returns:
    Size of the largest class over that of the smallest that is not empty, and the effective number
    of classes: the exponential of the entropy of the shares, which for equal classes is their
    number. Both NaN without images.
  """
  present = np.array([count for count in counts if count], np.float64)
  if not present.size:
    return math.nan, math.nan
  shares = present / present.sum()
  return float(present.max() / present.min()), float(np.exp(-(shares * np.log(shares)).sum()))


def inspect(
  builder: Any,
  splits: Sequence[str] | None = None,
  progress: Callable[[int, int], None] = lambda done, total: None,
  limit: int | None = None,
) -> Inspection:
  """Looks at every image of a prepared dataset.

  Holds about 0.5 KiB of memory for each grey image, 1.5 KiB for RGB and 2 KiB for RGBA.

  Args:
    builder: of TFDS, with the feature `image`, and perhaps `label` (classes), `name` and `group`
      (texts: where an image is from) and `attributes` (a dict of columns).
    splits: names; default: all.
    progress: called with the images done and their total.
    limit: at most so many images of each split, evenly spread.

  Raises:
    UserError: for a dataset or a split that cannot be read at all.
  """
  features = builder.info.features
  if 'image' not in features:
    raise UserError(
      f'dataset {builder.name!r} has no feature `image`; found: {", ".join(features)}'
    )
  channels = features['image'].shape[-1] or 3
  if channels not in fit.MODES:
    raise UserError(f'dataset {builder.name!r}: {channels} channels; accepted: 1, 3, 4')
  sizes = {name: info.num_examples for name, info in builder.info.splits.items()}
  chosen = dict.fromkeys(splits or sorted(sizes, key=lambda name: -sizes[name]))
  readers = [SplitReader(builder, name, channels, limit) for name in chosen]
  total = sum(len(reader.rows) for reader in readers)
  done = 0
  for reader in readers:
    for count in reader.read():
      done += count
      progress(done, total)
  overlaps, complete = _overlaps(readers)
  classes = readers[0].class_names if readers else ()
  found = tuple(reader.split() for reader in readers)
  sheet = _sheet(readers, found, classes)
  shown = {example for row in sheet for example in row.examples}
  shown |= {e for overlap in overlaps for a, b, _ in overlap.pairs for e in (a, b)}
  pictures = {}
  for reader in readers:
    rows = sorted(e.row for e in shown if e.split == reader.name)
    for row in rows:
      pictures[reader.name, row] = measurement.picture(reader.records[row]['image'])
  return Inspection(
    builder.name,
    classes,
    _CHANNELS[channels],
    found,
    overlaps,
    complete,
    sheet,
    pictures,
  )


def _overlaps(readers: list[SplitReader]) -> tuple[tuple[Overlap, ...], bool]:
  """Finds what splits share and hold twice, and whether that is all."""
  kept = ~np.array([blank for reader in readers for blank in reader.blank], bool)
  join = lambda lists: np.concatenate([part for parts in lists for part in parts])[kept]
  examples = [example for reader in readers for example in reader.examples]
  examples = [examples[place] for place in np.flatnonzero(kept)]
  digests = np.array([digest for reader in readers for digest in reader.digests], np.uint64)[kept]
  thumbnails = join([reader.thumbnails for reader in readers])
  groups = perceptual.group(join([reader.hashes for reader in readers]), thumbnails)
  place_of = {reader.name: place for place, reader in enumerate(readers)}
  numbers = np.array([place_of[example.split] for example in examples])
  overlaps = []
  for a, b in combinations_with_replacement(range(len(readers)), 2):
    first, second = np.flatnonzero(numbers == a), np.flatnonzero(numbers == b)
    pairs = _pairs(groups.label, first, second)
    apart = perceptual.distances(thumbnails, pairs)
    order = np.argsort(-apart, kind='stable')[:MAX_PAIRS]
    overlaps.append(
      Overlap(
        readers[a].name,
        readers[b].name,
        exact=_repeated(digests, first, second),
        near=_repeated(groups.label, first, second),
        pairs=tuple(
          (examples[i], examples[j], d)
          for (i, j), d in zip(pairs[order].tolist(), apart[order].tolist(), strict=True)
        ),
        groups=tuple(sorted(readers[a].groups & readers[b].groups)) if a != b else (),
      )
    )
  return tuple(overlaps), groups.complete


def _repeated(keys: np.ndarray, first: np.ndarray, second: np.ndarray) -> int:
  """How many keys at `second` are at `first` too; where these are the same, how many twice."""
  if np.array_equal(first, second):
    return len(first) - len(np.unique(keys[first]))
  return int(np.isin(keys[second], keys[first]).sum())


def _pairs(label: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """One pair of places `[m, 2]` for each group that is in both; two of a group if both are one."""
  groups, start = np.unique(label[first], return_index=True)
  rest = np.delete(second, start) if np.array_equal(first, second) else second
  others, other_start = np.unique(label[rest], return_index=True)
  _, here, there = np.intersect1d(groups, others, return_indices=True)
  return np.stack([first[start[here]], rest[other_start[there]]], 1)


def _sheet(
  readers: list[SplitReader], splits: tuple[Split, ...], class_names: tuple[str, ...]
) -> tuple[SheetRow, ...]:
  """Draws a row of examples for each class that is shown, or some for each split."""
  rng = np.random.default_rng(0)
  if not class_names:
    return tuple(
      SheetRow(reader.name, -1, _drawn(rng, reader.examples, _PER_SPLIT)) for reader in readers
    )
  by_class: dict[int, list[Example]] = {}
  for reader in readers:
    earlier = set(by_class)  # a class is drawn from the first split that has it
    for example in reader.examples:
      if example.label not in earlier:
        by_class.setdefault(example.label, []).append(example)
  labels = np.arange(len(class_names))
  if len(labels) > MAX_CLASSES:
    order = np.argsort(-np.sum([split.class_counts for split in splits], axis=0), kind='stable')
    labels = np.sort(np.append(order[: MAX_CLASSES // 2], order[-MAX_CLASSES // 2 :]))
  return tuple(
    SheetRow(class_names[label], label, _drawn(rng, by_class.get(label, []), _PER_CLASS))
    for label in labels.tolist()
  )


def _drawn(rng: np.random.Generator, examples: list[Example], count: int) -> tuple[Example, ...]:
  places = np.sort(rng.permutation(len(examples))[:count])
  return tuple(examples[place] for place in places)
