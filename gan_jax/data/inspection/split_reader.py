"""Reads one split of a dataset, image by image, and keeps what is small enough to be compared."""

import functools
import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.inspection import measurement, perceptual
from gan_jax.data.records import open_split, worth_threads

_CHUNK = 512  # images decoded at once


class Example(NamedTuple):
  """Where an image is; `name` is '' where the dataset does not say, `label` -1 without classes."""

  split: str
  row: int
  name: str = ''
  label: int = -1


class Unreadable(NamedTuple):
  """An image that cannot be decoded."""

  row: int
  name: str
  reason: str


class Split(NamedTuple):
  """What is in one split.

  Attributes:
    name: of the split.
    total: images in it.
    inspected: images that were looked at: all, or as many as `limit` allows, evenly spread.
    class_counts: images of each class, in the order of the dataset's class names.
    bad_labels: labels that are no class.
    unreadable: images that cannot be decoded.
    sizes: images of each `(H, W)`, the most frequent first.
    modes: images of each mode of Pillow's, as `RGB`; `I;16` is 16-bit grey.
    transparent: images with a pixel that is not opaque.
    animated: images of more than one frame; only the first is read.
    blank: images of one colour, or fully transparent.
    mean: of all pixels in [0, 1], for each channel; empty without a readable image.
    std: of all pixels, likewise.
    attributes: for each column of `attributes`, how often each value occurs, most frequent first.
  """

  name: str
  total: int
  inspected: int
  class_counts: tuple[int, ...]
  bad_labels: int
  unreadable: tuple[Unreadable, ...]
  sizes: dict[tuple[int, int], int]
  modes: dict[str, int]
  transparent: int
  animated: int
  blank: int
  mean: tuple[float, ...]
  std: tuple[float, ...]
  attributes: dict[str, dict[str, int]]

  @property
  def limited(self) -> bool:
    """Whether only a part of the split was looked at."""
    return self.inspected < self.total


class SplitReader:
  """Reads one split, and keeps of each readable image what is small.

  Attributes:
    name: of the split.
    class_names: empty without classes.
    records: of the split, by row; images are encoded.
    rows: that are read.
    examples: the readable images in their order, and, in the same:
    blank: whether each is blank; `Split` says what that is.
    digests: 64 bits, equal where all pixels are.
    hashes: for `perceptual`, in parts `[n]`.
    thumbnails: likewise, in parts `[n, 16, 16, C]`.
    groups: that occur in the feature `group`.
  """

  def __init__(self, builder: Any, name: str, channels: int, limit: int | None):
    """Opens the split, to be read as images of so many channels, `limit` at most.

    Raises:
      UserError: for a split that is not there, or cannot be read by row.
    """
    self.records = open_split(builder, name)
    features = builder.info.features
    self.name = name
    self.class_names = tuple(getattr(features['label'], 'names', ()) if 'label' in features else ())
    self._columns = features['attributes'] if 'attributes' in features else {}  # noqa: SIM401
    self._channels = channels
    total = len(self.records)
    count = total if limit is None else min(limit, total)
    self.rows = np.linspace(0, max(total - 1, 0), count).round().astype(int)
    self.examples: list[Example] = []
    self.blank: list[bool] = []
    self.digests: list[int] = []
    hashes, thumbnails = perceptual.signature(
      np.empty((0, perceptual.SIDE, perceptual.SIDE, channels))
    )
    self.hashes, self.thumbnails = [hashes], [thumbnails]
    self.groups: set[str] = set()
    self._labels: Counter[int] = Counter()
    self._attributes: dict[str, Counter[str]] = {column: Counter() for column in self._columns}
    self._unreadable: list[Unreadable] = []
    self._counts: Counter[Any] = Counter()
    self._sums = np.zeros((2, channels))
    self._pixels = 0

  def read(self) -> Iterator[int]:
    """Reads all, and yields after each part the number of its images."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
      for start in range(0, len(self.rows), _CHUNK):
        rows = [int(row) for row in self.rows[start : start + _CHUNK]]
        records = self.records.__getitems__(rows)
        data = [record['image'] for record in records]
        measure = functools.partial(measurement.measure, channels=self._channels)
        measured = (pool.map if worth_threads(data) else map)(measure, data)
        small = []
        for row, record, image in zip(rows, records, measured, strict=True):
          example = self._note(row, record)
          if isinstance(image, str):
            self._unreadable.append(Unreadable(row, example.name, image))
          else:
            self._add(example, image)
            small.append(image.small)
        if small:
          hashes, thumbnails = perceptual.signature(np.stack(small))
          self.hashes.append(hashes)
          self.thumbnails.append(thumbnails)
        yield len(rows)

  def _note(self, row: int, record: Any) -> Example:
    """Counts what is known of a record beside its image."""
    label = int(record['label']) if self.class_names else -1
    self._labels[label] += 1
    group = _text(record.get('group', ''))
    if group:
      self.groups.add(group)
    for column, counter in self._attributes.items():
      value = record['attributes'][column]
      names = getattr(self._columns[column], 'names', ())
      known = bool(names) and 0 <= int(value) < len(names)
      counter[names[int(value)] if known else _text(value)] += 1
    return Example(self.name, row, _text(record.get('name', '')), label)

  def _add(self, example: Example, image: measurement.Measured) -> None:
    self.examples.append(example)
    self.blank.append(image.blank)
    self.digests.append(image.digest)
    self._counts['size', image.size] += 1
    self._counts['mode', image.mode] += 1
    self._counts['transparent'] += image.transparent
    self._counts['animated'] += image.animated
    self._sums += image.total, image.squares
    self._pixels += math.prod(image.size)

  def split(self) -> Split:
    """Sums up what was read."""
    of = lambda kind: {k[1]: n for k, n in self._counts.most_common() if k[0] == kind}
    mean, squares = self._sums / max(self._pixels, 1)
    std = np.sqrt(np.maximum(squares - mean**2, 0))
    known = range(len(self.class_names))
    return Split(
      name=self.name,
      total=len(self.records),
      inspected=len(self.rows),
      class_counts=tuple(self._labels[label] for label in known),
      bad_labels=sum(n for label, n in self._labels.items() if known and label not in known),
      unreadable=tuple(self._unreadable),
      sizes=of('size'),
      modes=of('mode'),
      transparent=self._counts['transparent'],
      animated=self._counts['animated'],
      blank=sum(self.blank),
      mean=tuple(mean.tolist()) if self._pixels else (),
      std=tuple(std.tolist()) if self._pixels else (),
      attributes={key: dict(counter.most_common()) for key, counter in self._attributes.items()},
    )


def _text(value: Any) -> str:
  value = value.item() if hasattr(value, 'item') and getattr(value, 'ndim', 0) == 0 else value
  return value.decode(errors='replace') if isinstance(value, bytes) else str(value)
