"""Latents out of an .npz: of samples, of a projection, or of anybody's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.data.ingest import arrays
from gan_jax.errors import UserError
from gan_jax.sampling.model import Model


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
  where = f'--latents={path}'

  def choose(names: Sequence[str]) -> list[str]:
    if model.has_styles and 'w' in names:
      return ['w']
    if 'z' in names:
      return [name for name in ('z', 'labels') if name in names]
    held, kinds = ', '.join(sorted(names)[:20]), 'w or z' if model.has_styles else 'z'
    raise UserError(f'{where}: holds {held}; accepted: an array {kinds}')

  found = arrays.read_npz(path, where, choose)
  if 'w' in found:
    return Latents(None, _rows(where, 'w', found['w'], model.styles_shape), None)
  labels = found.get('labels')
  z = _rows(where, 'z', found['z'], (model.z_dim,))
  if labels is not None and not _fit(labels, len(z), model.num_classes):
    raise UserError(
      f'{where}: labels of shape {labels.shape}; accepted: ({len(z)},), from 0 to '
      f'{max(1, model.num_classes) - 1}'
    )
  return Latents(z, None, labels)


def _rows(where: str, name: str, found: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """An array of rows of a shape, or the row itself; float32."""
  rows = found[None] if found.shape == shape else found
  if rows.shape[1:] != shape or not rows.size or rows.dtype.kind not in 'fiu':
    wanted = ', '.join(map(str, shape))
    raise UserError(
      f'{where}: {name}, {found.dtype} of shape {found.shape}; accepted: numbers (N, {wanted})'
    )
  if not np.isfinite(rows).all():
    raise UserError(f'{where}: {name} holds what is no number; accepted: finite ones')
  return rows.astype(np.float32)


def _fit(labels: np.ndarray, count: int, num_classes: int) -> bool:
  if labels.shape != (count,) or labels.dtype.kind not in 'iu':
    return False
  return bool(((labels >= 0) & (labels < max(1, num_classes))).all())
