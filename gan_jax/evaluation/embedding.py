"""Runs images through feature networks, batch by batch, over devices and hosts."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax import registry
from gan_jax.data.source import ImageDataset
from gan_jax.evaluation.subject import Subject
from gan_jax.features.network import FeatureNetwork, Request, Resize
from gan_jax.metrics.features import Features
from gan_jax.runtime import hosts, parallel

Watch = Callable[[str, int, int], None]
_Run = Callable[[Any, np.ndarray], Iterator[Any]]


class Embedder:
  """A feature network on the devices.

  Attributes:
    network: the network.
  """

  def __init__(self, network: FeatureNetwork, batch_size: int):
    """Compiles nothing yet; `batch_size` is of images at once at most, over all local devices."""
    self.network = network
    self._batch_size = batch_size
    self._variables = parallel.replicate(network.params)
    self._runs: dict[Any, _Run] = {}

  def __call__(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields features and logits of images `[n, H, W, C]`, batch by batch."""
    key = images.dtype, images.shape[1:]  # a program takes images of one type and shape
    if key not in self._runs:
      self._runs[key] = parallel.map_batches(self.network.apply, self.at_once(images))
    return self._runs[key](self._variables, images)

  def at_once(self, images: np.ndarray) -> int:
    """How many of such images `[n, H, W, C]` make a batch; fewer of large ones."""
    return parallel.images_at_once(self._batch_size, images.shape[1:])


def open_embedder(
  name: str,
  train: ImageDataset,
  holdout: ImageDataset,
  weights: Mapping[str, str],
  resize: Resize,
  batch_size: int,
) -> Embedder:
  """Loads a feature network by name.

  Args:
    name: a module of gan_jax/features.
    train: see `Request`, as the next three.
    holdout: real images kept from training.
    weights: files by network, of those that come without weights.
    resize: how images are brought to the network's size.
    batch_size: see `Embedder`.

  Raises:
    UserError: for an unknown name, or a network that cannot be had.
  """
  module = registry.find('features', name, 'evaluate.features')
  request = Request(train, holdout, weights.get(name, ''), resize)
  return Embedder(module.load(request), batch_size)


class Embedded(NamedTuple):
  """A subject as networks see it.

  Attributes:
    features: by each network.
    images: `[N, H, W, C]`, on disk, where they were asked for.
    constant: whether all its images are one and the same.
  """

  features: list[Features]
  images: np.ndarray | None
  constant: bool


def embed(
  subject: Subject, seed: int, embedders: Sequence[Embedder], watch: Watch, keep_images: bool
) -> Embedded:
  """Runs a subject's images through networks; each host its share, all receive the whole.

  Args:
    subject: whose images.
    seed: of a generator's latents.
    embedders: the networks.
    watch: called between batches with the subject, how many of how many images.
    keep_images: whether to give the images too.
  """
  own = hosts.together(lambda: _own(subject, seed, embedders, watch, keep_images))
  images = None if own.images is None else hosts.joined(own.images, subject.size)
  features = []
  for parts in own.parts:
    pooled, logits = zip(*parts, strict=True)
    joined = None if logits[0] is None else _join(logits, subject)
    features.append(Features(_join(pooled, subject), joined, subject.labels))
  said = hosts.each(own.only)
  constant = subject.size > 1 and '' not in said and len(set(said)) == 1
  return Embedded(features, images, constant)


class _Own(NamedTuple):
  """This host's share of a subject: by each network, the images, a digest where all are one."""

  parts: list[list[Any]]
  images: np.ndarray | None
  only: str


def _own(
  subject: Subject, seed: int, embedders: Sequence[Embedder], watch: Watch, keep_images: bool
) -> _Own:
  first, end = hosts.share(subject.size)
  parts: list[list[Any]] = [[] for _ in embedders]
  images: np.ndarray | None = None
  one: np.ndarray | None = None
  done, constant = 0, True
  watch(subject.name, 0, end - first)
  for batch in _in_whole_batches(subject.batches(seed, first, end), embedders):
    for embedder, into in zip(embedders, parts, strict=True):
      into.extend(embedder(batch))
    if keep_images:
      images = _on_disk(end - first, batch) if images is None else images
      images[done : done + len(batch)] = batch
    one = batch[:1] if one is None else one
    constant = constant and bool((batch == one).all())
    done += len(batch)
    watch(subject.name, done, end - first)
  assert one is not None  # more images than hosts
  return _Own(parts, images, hashlib.sha256(one.tobytes()).hexdigest() if constant else '')


def _in_whole_batches(
  images: Iterator[np.ndarray], embedders: Sequence[Embedder]
) -> Iterator[np.ndarray]:
  """Passes images on in multiples of a network's batch, which would be filled up; the rest last."""
  held: np.ndarray | None = None
  for batch in images:
    if held is not None:
      whole = len(held) - len(held) % (embedders[0].at_once(held) if embedders else 1)
      if whole:
        yield held[:whole]
      batch = np.concatenate([held[whole:], batch]) if whole < len(held) else batch
    held = batch
  if held is not None:
    yield held


def embed_pairs(
  subject: Subject, seed: int, embedder: Embedder, watch: Watch
) -> tuple[np.ndarray, np.ndarray]:
  """Pooled features `[N, F]` of both images of each pair of a generator; see `Subject.pairs`."""
  assert subject.pairs is not None  # asked of a generator alone
  first, end = hosts.share(subject.size)
  ends: tuple[list[Any], list[Any]] = ([], [])

  def own() -> None:
    done = 0
    for pair in subject.pairs(seed, first, end):  # type: ignore[misc]
      for images, into in zip(pair, ends, strict=True):
        into.extend(pooled for pooled, _ in embedder(images))
      done += len(pair[0])
      watch(f'{subject.name}, paths', done, end - first)

  hosts.together(own)
  return _join(ends[0], subject), _join(ends[1], subject)


def stored(subject: Subject, seed: int = 0) -> np.ndarray:
  """Images `[N, H, W, C]` of a subject, on disk; of a generator those of the seed."""
  images: np.ndarray | None = None
  done = 0
  for batch in subject.batches(seed, 0, subject.size):
    images = _on_disk(subject.size, batch) if images is None else images
    images[done : done + len(batch)] = batch
    done += len(batch)
  assert images is not None  # a dataset without images is refused before
  return images


def _join(parts: Sequence[np.ndarray], subject: Subject) -> np.ndarray:
  return hosts.joined(np.concatenate(parts), subject.size)


def moved_to_disk(images: np.ndarray) -> np.ndarray:
  """A copy of images on disk."""
  found = _on_disk(len(images), images)
  found[:] = images
  return found


def _on_disk(count: int, batch: np.ndarray) -> np.ndarray:
  """An array for images that need not fit into memory; its file goes with it."""
  return np.memmap(tempfile.TemporaryFile(), batch.dtype, 'w+', shape=(count, *batch.shape[1:]))
