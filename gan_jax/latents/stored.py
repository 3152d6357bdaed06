"""Latents, written to .npz files as `z` or `w` with `labels` and `names`; directions, by name."""

import zipfile
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.latents.directions import Directions

_MOST_BYTES = 2**28  # of arrays in a file
_ACCEPTED = 'directions.npz of `edit`'


class Latents(NamedTuple):
  """Latents of images.

  Attributes:
    space: 'z' or 'w'.
    values: float32, z `[N, z]` or w `[N, (layers,) D]`.
    labels: int32 `[N]`.
    names: of the images, or numbers.
  """

  space: str
  values: np.ndarray
  labels: np.ndarray
  names: tuple[str, ...]

  def first(self, count: int) -> 'Latents':
    """The first of them."""
    some = slice(count)
    return Latents(self.space, self.values[some], self.labels[some], self.names[some])


def write_latents(file: Any, latents: Latents) -> None:
  """Writes to an open file what `sampling.latent_file` reads, and names."""
  arrays: dict[str, Any] = {latents.space: latents.values, 'labels': latents.labels}
  np.savez(file, **arrays, names=np.array(latents.names, np.str_))


def write_directions(file: Any, directions: Directions) -> None:
  """Writes to an open file what `read_directions` takes."""
  np.savez(
    file,
    space=np.array(directions.space),
    names=np.array(directions.names, np.str_),
    vectors=directions.vectors,
    shares=directions.shares,
  )


def read_directions(path: str, flag: str, space: str, size: int) -> Directions:
  """Reads directions of a generator's space, of vectors of a length.

  Raises:
    UserError: for a file that holds none, or those of other latents.
  """
  where, arrays = f'{flag}={path}', _arrays(path, flag)
  missing = [name for name in ('space', 'names', 'vectors', 'shares') if name not in arrays]
  if missing:
    raise UserError(f'{where}: lacks {missing[0]}; accepted: {_ACCEPTED}')
  found = arrays['vectors']
  if str(arrays['space']) != space or found.ndim != 2 or found.shape[1] != size:
    raise UserError(
      f'{where}: directions in {arrays["space"]} of shape {found.shape}; accepted of this model: '
      f'{space}, (n, {size})'
    )
  names = arrays['names']
  if names.shape != found.shape[:1] or names.dtype.kind != 'U' or not np.isfinite(found).all():
    raise UserError(f'{where}: vectors and names do not go together, or are no numbers')
  return Directions(space, tuple(names.tolist()), found.astype(np.float32), arrays['shares'])


def _arrays(path: str, flag: str) -> dict[str, np.ndarray]:
  """All arrays of a file, which are not larger than a bound."""
  try:
    with zipfile.ZipFile(path) as archive:
      size = sum(info.file_size for info in archive.infolist())
    if size > _MOST_BYTES:
      raise UserError(f'{flag}={path}: {size:,} bytes of arrays; accepted: at most {_MOST_BYTES:,}')
    with np.load(path, allow_pickle=False) as file:
      return {name: file[name] for name in file.files}
  except OSError as error:
    raise UserError(f'{flag}={path}: {error.strerror or "cannot be read"}') from error
  except (ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
    if isinstance(error, UserError):
      raise
    raise UserError(f'{flag}={path}: cannot be read; accepted: {_ACCEPTED}') from error
