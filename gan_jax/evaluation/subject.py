"""What is scored: a generator's images, or those in a folder."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.data.source import ImageDataset
from gan_jax.metrics.path_length import EPSILON
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.sampler import Sampler

_MOST_AT_ONCE = 1000  # real images read at once
_MOST_BYTES = 2**26  # of them


class Subject(NamedTuple):
  """A set of images to be scored.

  Attributes:
    name: for messages and tables.
    size: its number of images.
    labels: the class that each has or was asked to have, `[size]`; None without classes.
    batches: from seed, first and end to the images `[b, H, W, C]` of those places, in order.
    pairs: from seed, first and end to pairs of images a short way apart in latent space,
      `sample.draw_pairs`; None where there is no generator.
  """

  name: str
  size: int
  labels: np.ndarray | None
  batches: Callable[[int, int, int], Iterator[np.ndarray]]
  pairs: Callable[[int, int, int], Iterator[tuple[np.ndarray, np.ndarray]]] | None = None


def of_generator(
  name: str, sampler: Sampler, variables: PyTree, labels: np.ndarray, conditional: bool
) -> Subject:
  """The images that a generator makes for these labels, one each."""

  def batches(seed: int, first: int, end: int) -> Iterator[np.ndarray]:
    return sampler.draw(variables, labels[first:end], seed, first=first)

  def pairs(seed: int, first: int, end: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return sampler.draw_pairs(variables, labels[first:end], seed, EPSILON, first)

  return Subject(name, len(labels), labels if conditional else None, batches, pairs)


def of_array(name: str, images: np.ndarray, labels: np.ndarray | None) -> Subject:
  """Images `[N, H, W, C]` that were made before, on disk maybe, with their classes `[N]`."""
  at_once = max(1, min(_MOST_AT_ONCE, _MOST_BYTES // images[0].nbytes))

  def batches(seed: int, first: int, end: int) -> Iterator[np.ndarray]:
    del seed
    for start in range(first, end, at_once):
      yield np.asarray(images[start : min(start + at_once, end)])

  return Subject(name, len(images), labels, batches)


def of_dataset(name: str, dataset: ImageDataset, rows: np.ndarray) -> Subject:
  """Rows of a dataset, the same for every seed."""
  bytes_of_one = int(np.prod(dataset.shape)) * dataset.dtype.itemsize
  at_once = max(1, min(_MOST_AT_ONCE, _MOST_BYTES // bytes_of_one))

  def batches(seed: int, first: int, end: int) -> Iterator[np.ndarray]:
    del seed
    for start in range(first, end, at_once):
      yield dataset.fetch(rows[start : min(start + at_once, end)])['image']

  labels = dataset.labels(rows) if dataset.num_classes else None
  return Subject(name, len(rows), labels, batches)
