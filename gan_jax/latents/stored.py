"""Latents, written to .npz files as `z` or `w` with `labels` and `names`; directions, by name."""

from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gan_jax.data.ingest import arrays as ingested
from gan_jax.errors import UserError
from gan_jax.latents.directions import Directions

_ARRAYS = ('space', 'names', 'vectors', 'shares')  # of directions


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


def read_directions(file: str | BinaryIO, where: str, space: str, size: int) -> Directions:
  """Reads directions of a generator's space, of vectors of a length.

  Args:
    file: its path, or the file.
    where: what messages begin with, such as flag and path.
    space: of the generator.
    size: of a vector.

  Raises:
    UserError: for a file that holds none, or those of other latents.
  """

  def choose(names: Sequence[str]) -> tuple[str, ...]:
    if missing := [name for name in _ARRAYS if name not in names]:
      raise UserError(f'{where}: lacks {missing[0]}; accepted: directions.npz of `edit`')
    return _ARRAYS

  arrays = ingested.read_npz(file, where, choose)
  found = arrays['vectors']
  if str(arrays['space']) != space or found.ndim != 2 or found.shape[1] != size:
    raise UserError(
      f'{where}: directions in {arrays["space"]} of shape {found.shape}; accepted of this model: '
      f'{space}, (n, {size})'
    )
  names, shares = arrays['names'], arrays['shares']
  alike = names.shape == shares.shape == found.shape[:1]
  kinds = names.dtype.kind + shares.dtype.kind
  if not alike or kinds != 'Uf' or not np.isfinite(found).all():
    raise UserError(f'{where}: vectors, names and shares do not go together, or are no numbers')
  return Directions(space, tuple(names.tolist()), found.astype(np.float32), shares)
