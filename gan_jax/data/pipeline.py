"""Batches in a seeded order, each a function of the step alone."""

import functools
import sys
from collections.abc import Iterator

import grain
import numpy as np

from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError

Batch = dict[str, np.ndarray]


def batches(
  dataset: ImageDataset,
  batch_size: int,
  *,
  seed: int,
  start: int = 0,
  host: int = 0,
  hosts: int = 1,
  prefetch: int = 4,
) -> Iterator[Batch]:
  """Yields batches for ever, reshuffled every epoch.

  Batch k of a run is the same whatever the batches before it, so that a run resumes by number. The
  hosts' parts of a batch, joined in their order, are the batch that one host would see.

  Args:
    dataset: what to read.
    batch_size: examples over all hosts.
    seed: of the order.
    start: number of the first batch.
    host: index of this host.
    hosts: their number, a divisor of `batch_size`.
    prefetch: batches made ready ahead.

  Yields:
    `image`, uint8 or uint16 `[batch_size / hosts, H, W, C]`, and `label`, int32.

  Raises:
    UserError: for a dataset smaller than a batch.
  """
  if len(dataset) < batch_size:
    raise UserError(
      f'dataset {dataset.name} has {len(dataset)} images; a batch takes {batch_size} '
      '(config.train.batch_size, twice where config.train.share_batch is False)'
    )
  share = batch_size // hosts
  first = host * share
  order = functools.lru_cache(maxsize=2)(functools.partial(_epoch_order, len(dataset), seed))

  def load(number: int) -> Batch:
    places = number * batch_size + first + np.arange(share)
    epochs, rows = np.divmod(places, len(dataset))
    return dataset.fetch(np.array([order(e)[r] for e, r in zip(epochs, rows, strict=True)]))

  threads = 1 if dataset.in_memory else max(1, prefetch)
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(1, prefetch))
  numbers = grain.MapDataset.range(start, sys.maxsize)
  return iter(numbers.map(load).to_iter_dataset(options))


def _epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
  return np.random.default_rng((seed % 2**32, epoch)).permutation(count)
