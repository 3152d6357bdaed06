"""Latents out of an .npz: of samples, of a projection, or of anybody's."""

import pathlib
import zipfile
from typing import NamedTuple

import numpy as np

from gan_jax.data.ingest import arrays, files
from gan_jax.errors import UserError
from gan_jax.sampling.model import Model

_MOST_BYTES = 2**28  # of an array


class Latents(NamedTuple):
  """Latents of a file: `z` `[K, z]` with labels `[K]`, or `w` `[K, (L,) w]`; the other is None."""

  z: np.ndarray | None
  w: np.ndarray | None
  labels: np.ndarray | None


def read_latents(path: str, model: Model) -> Latents:
  """Reads the array `w` of an .npz, or else `z` and, where they are there, `labels`.

  Args:
    path: of the file.
    model: that they have to fit.

  Raises:
    UserError: for a file that cannot be read, or arrays that do not fit the model.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      names = set(archive.namelist())
      read = lambda name: _array(archive, name) if f'{name}.npy' in names else None
      w = read('w') if model.has_styles else None
      z, labels = (read('z'), read('labels')) if w is None else (None, None)
  except OSError as error:
    raise UserError(f'--latents={path}: cannot be read: {error.strerror or error}') from error
  except (ValueError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
    raise UserError(f'--latents={path}: no .npz that can be read: {error}') from error
  if w is not None:
    return Latents(None, _rows(path, 'w', w, model.styles_shape), None)
  if z is None:
    held = ', '.join(sorted(names)[:20])
    kinds = 'w or z' if model.has_styles else 'z'
    raise UserError(f'--latents={path}: holds {held}; accepted: an array {kinds}')
  z = _rows(path, 'z', z, (model.z_dim,))
  if labels is not None and not _fit(labels, len(z), model.num_classes):
    raise UserError(
      f'--latents={path}: labels of shape {labels.shape}; accepted: ({len(z)},), from 0 to '
      f'{max(1, model.num_classes) - 1}'
    )
  return Latents(z, None, labels)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
  info = archive.getinfo(f'{pathlib.PurePath(name).name}.npy')
  if info.file_size > _MOST_BYTES:
    raise ValueError(f'{name} holds {info.file_size:,} bytes; accepted: {_MOST_BYTES:,}')
  with archive.open(info) as stream:
    return arrays.loaded(files.whole(stream, info.file_size))


def _rows(path: str, name: str, found: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """An array of rows of a shape, or the row itself; float32."""
  rows = found[None] if found.shape == shape else found
  if rows.shape[1:] != shape or not rows.size or rows.dtype.kind not in 'fiu':
    wanted = ', '.join(map(str, shape))
    raise UserError(
      f'--latents={path}: {name}, {found.dtype} of shape {found.shape}; accepted: numbers '
      f'(N, {wanted})'
    )
  if not np.isfinite(rows).all():
    raise UserError(f'--latents={path}: {name} holds what is no number; accepted: finite ones')
  return rows.astype(np.float32)


def _fit(labels: np.ndarray, count: int, num_classes: int) -> bool:
  if labels.shape != (count,) or labels.dtype.kind not in 'iu':
    return False
  return bool(((labels >= 0) & (labels < max(1, num_classes))).all())
