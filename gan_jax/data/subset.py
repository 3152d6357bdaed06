"""Some images of a dataset, as a dataset."""

import hashlib
from collections.abc import Sequence

import numpy as np

from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest


class Subset(ImageDataset):
  """The images of some rows of a dataset, in that order."""

  def __init__(self, whole: ImageDataset, rows: np.ndarray):
    """Reads nothing; the fingerprint is of the whole's and of the rows."""
    self._whole, self._rows = whole, np.asarray(rows, np.int64)
    self.name, self.shape, self.dtype = whole.name, whole.shape, whole.dtype
    self.num_classes, self.class_names = whole.num_classes, whole.class_names
    self.attribute_names = whole.attribute_names
    self.origin, self.stamp = whole.origin, whole.stamp
    digest = hashlib.sha256(whole.fingerprint.encode())
    digest.update(self._rows.data)
    self.fingerprint = digest.hexdigest()[:16]

  def __len__(self) -> int:
    return len(self._rows)

  @property
  def in_memory(self) -> bool:
    """Whether all images are decoded already."""
    return self._whole.in_memory

  def fetch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Reads examples, as `ImageDataset.fetch`."""
    return self._whole.fetch(self._rows[np.asarray(indices)])

  def labels(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Reads labels, as `ImageDataset.labels`."""
    return self._whole.labels(self._rows[np.asarray(indices)])

  def attributes(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Reads attributes, as `ImageDataset.attributes`."""
    return self._whole.attributes(self._rows[np.asarray(indices)])

  def groups(self, indices: Sequence[int] | np.ndarray) -> np.ndarray | None:
    """Reads groups, as `ImageDataset.groups`."""
    return self._whole.groups(self._rows[np.asarray(indices)])


def at_most(whole: ImageDataset, limits: Sequence[str]) -> ImageDataset:
  """A dataset without what some classes have too many of: how a class is made rare.

  Which images stay is one choice for all runs, and those of a smaller limit are among those of a
  larger one, so that runs differ by the number alone.

  Args:
    whole: all images, of classes.
    limits: `CLASS=COUNT`, each class once; none: the dataset as it is.

  Raises:
    UserError: for a class that is not there or is named twice, or a count that is none.
  """
  if not limits:
    return whole
  most: dict[int, int] = {}
  for limit in limits:
    name, _, count = limit.rpartition('=')
    refuse = lambda accepted, limit=limit: UserError(
      f'config.dataset.at_most: {limit!r}: {accepted}'
    )
    if not whole.num_classes:
      raise refuse(f'dataset {whole.name} has no classes')
    if name not in whole.class_names:
      raise refuse(nearest(name, whole.class_names) if name else 'accepted: CLASS=COUNT')
    if not (count.isascii() and count.isdigit() and int(count)):
      raise refuse('accepted: CLASS=COUNT, from 1 image')
    label = whole.class_names.index(name)
    if label in most:
      raise refuse('named twice')
    most[label] = int(count)
  labels = whole.labels(np.arange(len(whole)))
  order = np.random.default_rng(0).permutation(len(whole))
  left_out = [order[labels[order] == label][count:] for label, count in most.items()]
  return Subset(whole, np.setdiff1d(np.arange(len(whole)), np.concatenate(left_out)))
