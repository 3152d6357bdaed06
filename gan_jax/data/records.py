"""Opens a split of a prepared dataset as records whose images are still encoded."""

from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds

from gan_jax.errors import UserError, nearest

# Smaller images than this, encoded, are decoded faster by one thread than threads hand them over.
_PARALLEL_BYTES = 8192


def open_split(builder: Any, split: str) -> Any:
  """Opens a split for random access, images as stored.

  Raises:
    UserError: for a split that is not there, or cannot be read by row.
  """
  try:
    return builder.as_data_source(split, decoders={'image': tfds.decode.SkipDecoding()})
  except ValueError as error:
    accepted = nearest(split, builder.info.splits)
    raise UserError(f'split {split!r} of dataset {builder.name!r}: {accepted}') from error
  except NotImplementedError as error:
    raise UserError(
      f'dataset {builder.name!r} in {builder.data_dir} is not in ArrayRecord files; prepare it '
      "anew in another data_dir with file_format='array_record'"
    ) from error


def worth_threads(images: Sequence[bytes]) -> bool:
  """Whether encoded images are large enough to be decoded by several threads."""
  return sum(map(len, images)) >= _PARALLEL_BYTES * len(images)
