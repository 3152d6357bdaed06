"""Images that are drawn, in memory, as datasets and as subjects of audits."""

import hashlib

import numpy as np

from gan_jax.audit.subject import Subject
from gan_jax.data.source import ImageDataset


class Drawn(ImageDataset):
  """A dataset of arrays."""

  def __init__(self, name, images, labels=None, groups=None, attributes=None):
    self.name, self._held = name, (images, np.zeros(len(images), np.int32))
    self.shape, self.dtype = images.shape[1:], images.dtype
    self.class_names = []
    if labels is not None:
      self.class_names = [str(each) for each in range(labels.max() + 1)]
      self._held = images, labels.astype(np.int32)
    self.num_classes, self._records = len(self.class_names), range(len(images))
    self._groups, self._attributes = groups, attributes or {}
    self.attribute_names = tuple(self._attributes)
    self.fingerprint = hashlib.sha256(images.tobytes()).hexdigest()[:16]
    self.origin = {'full_name': name}

  def groups(self, indices):
    return None if self._groups is None else self._groups[np.asarray(indices)]

  def attributes(self, indices):
    return {name: values[np.asarray(indices)] for name, values in self._attributes.items()}


def blots(rng, count, blots=2):
  """Images 16x16, grey, uint8, of blots at random."""
  y, x = np.indices((16, 16))
  places = rng.uniform(3, 13, (count, blots, 2))
  widths = rng.uniform(1, 3, (count, blots))
  far = (y - places[..., 0, None, None]) ** 2 + (x - places[..., 1, None, None]) ** 2
  light = np.exp(-far / (2 * widths[..., None, None] ** 2)).max(axis=1)
  return (220 * light).astype(np.uint8)[..., None]


def subject(images, train, holdout, labels=None, **others):
  return Subject('drawn', images, labels, train, holdout, features=('pixels',), **others)
