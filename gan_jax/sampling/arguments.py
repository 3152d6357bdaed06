"""What images are made of, as it is given to a model: checked, a row for each image."""

from typing import Any

import numpy as np

from gan_jax.errors import UserError


def latents(given: Any, size: int) -> np.ndarray:
  """Latents, float32 `[N, size]`.

  Raises:
    UserError: for another shape, none of them, or values that are no numbers.
  """
  z = np.asarray(given, np.float32)
  if z.ndim != 2 or z.shape[1] != size or not len(z):
    raise UserError(f'latents: have the shape {z.shape}; accepted: (N, {size})')
  if not np.isfinite(z).all():
    raise UserError('latents: hold values that are no numbers; accepted: finite ones')
  return z


def styles(given: Any, shape: tuple[int, ...]) -> np.ndarray:
  """The w of each image, float32 `[N, *shape]`.

  Raises:
    UserError: for another shape, none of them, or values that are no numbers.
  """
  w = np.asarray(given, np.float32)
  if w.shape[1:] != shape or not len(w):
    raise UserError(f'w: has the shape {w.shape}; accepted: (N, {_text(shape)})')
  if not np.isfinite(w).all():
    raise UserError('w: holds values that are no numbers; accepted: finite ones')
  return w


def truncation(given: Any, count: int) -> np.ndarray:
  """Truncation of each image, float32 `[count]`, of one number for all or one an image.

  Raises:
    UserError: for another shape, or for anything but numbers from 0.
  """
  share = np.asarray(given, np.float32)
  if share.shape not in ((), (count,)) or not (np.isfinite(share) & (share >= 0)).all():
    raise UserError(f'truncation={given}: accepted: numbers from 0, one or one an image')
  return np.broadcast_to(share, count)


def labels(given: Any, count: int, classes: int) -> np.ndarray:
  """Labels, int32 `[count]`, or weights of classes, float32 `[count, classes]`.

  Args:
    given: integers, one for all images or one an image; or weights.
    count: images.
    classes: of the model, 0: unconditional, where the one label is 0.

  Raises:
    UserError: for another shape or type, or labels that are no classes.
  """
  told = np.asarray(given)
  if classes and told.shape == (count, classes) and told.dtype.kind == 'f':
    if not np.isfinite(told).all():
      raise UserError('labels: hold weights that are no numbers; accepted: finite ones')
    return told.astype(np.float32)
  if told.shape not in ((), (count,)) or told.dtype.kind not in 'iu':
    weights = f', or weights ({count}, {classes})' if classes else ''
    raise UserError(
      f'labels: {told.dtype} of shape {told.shape}; accepted: integers ({count},){weights}'
    )
  if told.size and not (told.min() >= 0 and told.max() < max(1, classes)):
    raise UserError(f'labels: {told.min()} to {told.max()}; accepted: 0 to {max(1, classes) - 1}')
  return np.broadcast_to(told.astype(np.int32), count)


def images(given: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
  """Images `[N, *shape]` of a type.

  Raises:
    UserError: for another shape or type, or none of them.
  """
  pixels = np.asarray(given)
  if pixels.shape[1:] != shape or pixels.dtype != dtype or not len(pixels):
    raise UserError(
      f'images: {pixels.dtype} of shape {pixels.shape}; accepted: {dtype} (N, {_text(shape)})'
    )
  return pixels


def _text(shape: tuple[int, ...]) -> str:
  return ', '.join(map(str, shape))
