"""Latents and directions in .npz files: `z` or `w`, `labels`, `names`; and directions by name."""

import zipfile
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.latents.directions import Directions

_MOST_BYTES = 2**31  # of arrays in a file
_ACCEPTED = 'an .npz that `project`, `edit` or `sample` wrote'


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
  """Writes to an open file what `read_latents` takes."""
  arrays: dict[str, Any] = {latents.space: latents.values, 'labels': latents.labels}
  np.savez(file, **arrays, names=np.array(latents.names, np.str_))


def read_latents(path: str, flag: str, z: int, w: tuple[int, ...] | None, classes: int) -> Latents:
  """Reads latents that fit a generator.

  Args:
    path: of the file.
    flag: that it was given by, for messages.
    z: length of z.
    w: shape of an image's w; None: the generator has no w.
    classes: of the generator, 0: unconditional.

  Raises:
    UserError: for a file that holds none, or none that fit.
  """
  where, arrays = f'{flag}={path}', _arrays(path, flag)
  space = 'w' if 'w' in arrays else 'z'
  shape = w if space == 'w' else (z,)
  if space not in arrays or shape is None:
    found = ', '.join(sorted(arrays))
    missing = 'w, and the model has none' if space in arrays else f'neither z nor w, but {found}'
    raise UserError(f'{where}: holds {missing}; accepted: {_ACCEPTED}')
  values = arrays[space]
  if values.dtype.kind != 'f' or values.shape[1:] != shape or not len(values):
    raise UserError(
      f'{where}: {space} is {values.dtype} of shape {values.shape}; accepted: floats '
      f'(N, {", ".join(map(str, shape))})'
    )
  if not np.isfinite(values).all():
    raise UserError(f'{where}: {space} holds values that are no numbers; accepted: finite ones')
  labels = arrays.get('labels', np.zeros(len(values), np.int32))
  if labels.shape != (len(values),) or labels.dtype.kind not in 'iu':
    raise UserError(f'{where}: labels are {labels.dtype} of shape {labels.shape}; accepted: '
                    f'integers ({len(values)},)')  # fmt: skip
  if labels.min() < 0 or labels.max() >= max(1, classes):
    raise UserError(f'{where}: labels {labels.min()} to {labels.max()}; accepted: 0 to '
                    f'{max(1, classes) - 1}')  # fmt: skip
  names = arrays.get('names')
  fits = names is not None and names.shape == labels.shape and names.dtype.kind == 'U'
  called = names.tolist() if names is not None and fits else map(str, range(len(values)))
  return Latents(space, values.astype(np.float32), labels.astype(np.int32), tuple(called))


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
    raise UserError(f'{where}: lacks {missing[0]}; accepted: directions.npz of `edit`')
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
  """All arrays of a file but images, none larger than a bound."""
  try:
    with zipfile.ZipFile(path) as archive:
      size = sum(i.file_size for i in archive.infolist() if i.filename != 'images.npy')
    if size > _MOST_BYTES:
      raise UserError(f'{flag}={path}: {size:,} bytes of arrays; accepted: at most {_MOST_BYTES:,}')
    with np.load(path, allow_pickle=False) as file:
      return {name: file[name] for name in file.files if name != 'images'}
  except OSError as error:
    raise UserError(f'{flag}={path}: {error.strerror or "cannot be read"}') from error
  except (ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
    if isinstance(error, UserError):
      raise
    raise UserError(f'{flag}={path}: cannot be read; accepted: {_ACCEPTED}') from error
