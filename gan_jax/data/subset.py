"""Some images of a dataset, as a dataset."""

import hashlib
from collections.abc import Sequence

import numpy as np

from gan_jax.data.source import ImageDataset


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
