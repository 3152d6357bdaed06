"""The real images that subjects are compared with, and those that the floor is of."""

import functools
from typing import NamedTuple

import numpy as np

from gan_jax.data.source import ImageDataset
from gan_jax.data.subset import Subset
from gan_jax.errors import UserError
from gan_jax.evaluation import subject
from gan_jax.evaluation.embedding import Embedder, Watch, embed, stored
from gan_jax.features import kept
from gan_jax.metrics.features import Features


class RealFeatures(NamedTuple):
  """Features of the real images by one network.

  Attributes:
    compared: of those that subjects are compared with.
    rest: of the same without what of them is held out.
    held_out: of those that are held out.
  """

  compared: Features
  rest: Features
  held_out: Features


class Reals:
  """A choice of real images, seeded.

  Attributes:
    compared: the dataset of those that subjects are compared with.
    rows: of it, that were chosen.
    train: images that are not held out: what a network may learn from.
    holdout: the others.
    num_held_out: of them, in the floor.
    num_rest: real images that these are compared with.
  """

  def __init__(
    self,
    compared: ImageDataset,
    holdout: ImageDataset | None,
    *,
    num_reals: int,
    num_samples: int,
    seed: int,
  ):
    """Reads no image.

    Args:
      compared: real images.
      holdout: other real images. None: of those chosen of `compared` at most a half are held out;
        subjects are compared with all, those held out, for the floor, with the rest.
      num_reals: images of `compared` that are used, at most.
      num_samples: images of `holdout` that are used, at most: as many as of a subject.
      seed: of the choice.

    Raises:
      UserError: where there is one image, of which no half can be held out.
    """
    rng = np.random.default_rng(seed)
    self.compared = compared
    self.rows = rng.permutation(len(compared))[:num_reals]
    self.train: ImageDataset = compared
    self._within: np.ndarray | None = None
    if holdout is None:
      count = min(num_samples, len(self.rows) // 2)
      if not count:
        raise UserError(f'{compared.name}: {len(self.rows)} image; accepted: at least 2')
      self._within = np.isin(np.arange(len(self.rows)), rng.permutation(len(self.rows))[:count])
      self.train = Subset(compared, self.rows[~self._within])
      self.holdout: ImageDataset = Subset(compared, self.rows[self._within])
      self._held_rows = np.arange(len(self.holdout))
    else:
      self.holdout = holdout
      self._held_rows = rng.permutation(len(holdout))[:num_samples]
    self.num_held_out = len(self._held_rows)
    self.num_rest = len(self.train) if self._within is not None else len(self.rows)

  def labels(self, count: int) -> np.ndarray:
    """Labels `[count]` of real images in turn, so that classes are as frequent as in the data."""
    labels = self.compared.labels(self.rows)
    return labels[np.arange(count) % len(labels)]

  @property
  def held_rows(self) -> np.ndarray:
    """Rows of `holdout` that the floor is of, in the order of its features."""
    return self._held_rows

  @property
  def are_apart(self) -> bool:
    """Whether what is held out is no part of what subjects are compared with."""
    return self._within is None

  def training_images(self, count: int) -> subject.Subject:
    """At most `count` images that are not held out."""
    rows = self.rows if self.are_apart else np.arange(len(self.train))
    return subject.of_dataset('real images', self.train, rows[:count])

  @functools.cached_property
  def test_images(self) -> tuple[np.ndarray, np.ndarray]:
    """All images that are held out, on disk, and their labels."""
    rows = np.arange(len(self.holdout))
    return stored(subject.of_dataset('test', self.holdout, rows)), self.holdout.labels(rows)

  def features(self, embedder: Embedder, watch: Watch) -> RealFeatures:
    """Features by a network, computed once for all evaluations.

    Raises:
      UserError: where all images are one and the same.
    """
    real = _features(embedder, 'real images', self.compared, self.rows, watch)
    if self._within is not None:
      return RealFeatures(real, _take(real, ~self._within), _take(real, self._within))
    held_out = _features(embedder, 'held-out real images', self.holdout, self._held_rows, watch)
    return RealFeatures(real, real, held_out)


def _features(
  embedder: Embedder, name: str, dataset: ImageDataset, rows: np.ndarray, watch: Watch
) -> Features:
  images = subject.of_dataset(name, dataset, rows)

  def compute() -> kept.Arrays:
    found = embed(images, 0, [embedder], watch, keep_images=False)
    if found.constant:
      raise UserError(f'{dataset.name}: all {images.size:,} images are one and the same')
    return found.features[0].pooled, found.features[0].logits

  made_of = f'{dataset.fingerprint} {dataset.stamp}'
  pooled, logits = kept.real_features(embedder.network, made_of, rows, compute)
  return Features(pooled, logits, images.labels)


def _take(features: Features, rows: np.ndarray) -> Features:
  pooled, *others = features
  return Features(pooled[rows], *(None if other is None else other[rows] for other in others))
