"""Opens a split of a prepared dataset as records whose images are still encoded."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.errors import UserError, nearest

# After the name of a file of images: their labels, which else are read with all of the images.
LABELS = '.labels.npy'
# Smaller images than this, encoded, are decoded faster by one thread than threads hand them over.
_PARALLEL_BYTES = 8192
_PART_BYTES = 2**24  # of encoded images that are read at a time
_FIRST_PART, _LARGEST_PART = 16, 4096  # records


class Records:
  """A split by row; what cannot be read is told by the file's name."""

  def __init__(self, source: Any, where: str):
    """Takes a data source of TFDS, and what to call it."""
    self._source, self._where = source, where
    self._length = self._told(lambda: len(source))

  def __len__(self) -> int:
    return self._length

  def __getitem__(self, row: int) -> Any:
    """One record, as `__getitems__` reads them."""
    return self._told(lambda: self._source[row])

  def __getitems__(self, rows: Sequence[int]) -> Sequence[Any]:
    """The records of some rows.

    Raises:
      UserError: for files that are damaged or gone.
    """
    records = self._told(lambda: self._source.__getitems__(rows))
    for row, record in zip(rows, records, strict=True):
      if record is None or record.get('image') is None:  # as ArrayRecord gives past a torn end
        raise UserError(f'{self._where}: row {row} holds no image: a file of it is damaged')
    return records

  def _told(self, read: Callable[[], Any]) -> Any:
    try:
      return read()
    except (RuntimeError, OSError, IndexError) as error:  # of ArrayRecord and of the system
      text = ' '.join(str(error).split())
      raise UserError(
        f'{self._where}: cannot be read, a file of it is damaged or gone: {text}; prepare it anew'
      ) from error


def open_split(builder: Any, split: str) -> Records:
  """Opens a split for random access, images as stored.

  Raises:
    UserError: for a split that is not there, or cannot be read by row.
  """
  try:
    source = builder.as_data_source(split, decoders={'image': tfds.decode.SkipDecoding()})
    return Records(source, f'split {split!r} of dataset {builder.name!r} in {builder.data_dir}')
  except ValueError as error:
    accepted = nearest(split, builder.info.splits)
    raise UserError(
      f'config.dataset.split, holdout_split or --splits={split!r}: dataset {builder.name!r} has '
      f"none such; {accepted}, or parts, as 'train[:90%]' and 'train[90%:]'"
    ) from error
  except NotImplementedError as error:
    raise UserError(
      f'dataset {builder.name!r} in {builder.data_dir} is not in ArrayRecord files; prepare it '
      "anew in another data_dir with file_format='array_record'"
    ) from error


def kept_labels(builder: Any, split: str) -> np.ndarray | None:
  """The labels of a split, int32 `[N]`, that `prepare` put beside its files; None without."""
  parts = []
  for part in builder.info.splits[split].file_instructions:
    path = f'{part.filename}{LABELS}'
    if not os.path.exists(path):
      return None
    end = None if part.take == -1 else part.skip + part.take
    parts.append(np.load(path, mmap_mode='r', allow_pickle=False)[part.skip : end])
  return np.concatenate(parts) if parts else None


def worth_threads(images: Sequence[bytes]) -> bool:
  """Whether encoded images are large enough to be decoded by several threads."""
  return sum(map(len, images)) >= _PARALLEL_BYTES * len(images)


def in_parts(records: Any, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
  """Yields some of the rows and their records at a time, so that few encoded images are there."""
  start, count = 0, _FIRST_PART
  while start < len(rows):
    part = rows[start : start + count]
    found = records.__getitems__(part)
    yield part, found
    start += len(part)
    mean = sum(len(record['image']) for record in found) / len(part)
    least = os.cpu_count() or 1  # of large images each thread has one to decode
    count = int(min(max(_PART_BYTES // max(mean, 1), least), _LARGEST_PART))
