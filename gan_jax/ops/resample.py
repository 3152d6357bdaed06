"""Doubling and halving of resolution with the separable binomial filter [1, 3, 3, 1] / 8.

The filter is [1, 2, 1] * [1, 1]: bilinear interpolation on the way up, its adjoint up to a factor
on the way down, as in StyleGAN2 and R3GAN (arXiv:2501.05441). Outside the image is zero. Written
with shifts and adds; on a CPU, where each of those is a program to compile, as a product with the
matrix of the filter; on a TPU, which would copy whole images to put pixels between pixels, as a
convolution.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops import linear
from gan_jax.ops.depthwise import depthwise


def upsample(x: jax.Array) -> jax.Array:
  """Doubles height and width of `[B, H, W, C]`; keeps constants away from the edge."""
  return _up(None, x)


def downsample(x: jax.Array) -> jax.Array:
  """Halves height and width of `[B, H, W, C]`; keeps constants as `upsample`.

  Raises:
    ValueError: for a height or width that is odd.
  """
  for axis in (1, 2):
    if x.shape[axis] % 2:
      raise ValueError(f'downsample halves even sizes; axis {axis} of {x.shape} is odd')
  return _down(None, x)


def smooth(x: jax.Array, padding: int, gain: float = 1.0) -> jax.Array:
  """Filters `[B, H, W, C]` by [1, 3, 3, 1] / 8 along both axes, times a gain.

  Args:
    x: images.
    padding: zeros on every side, pixels; the result is 3 less than height and width with them.
    gain: factor on the result.
  """
  taps = np.array([1, 3, 3, 1]) / 8
  kernel = jnp.asarray(gain * np.outer(taps, taps), x.dtype)[:, :, None]
  return depthwise(x, jnp.broadcast_to(kernel, (4, 4, x.shape[-1])), padding=padding)


def enlarge_aligned(x: jax.Array) -> jax.Array:
  """Doubles height and width of `[B, H, W, C]` by bilinear interpolation from corner to corner.

  The corners stay what they are, and the step between pixels is (n − 1) / (2 n − 1), PyTorch's
  `align_corners`: `jax.image.resize` has pixel centres at halves.
  """
  for axis in (1, 2):
    x = _apply(_between_corners(x.shape[axis]), axis, x).reshape(_doubled(axis, x))
  return x


def _between_corners(size: int) -> np.ndarray:
  """The matrix of `enlarge_aligned` along an axis, `[2 * size, size]`."""
  places = np.linspace(0, size - 1, 2 * size)
  return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size))).astype(np.float32)


def _doubled(axis: int, x: jax.Array) -> tuple[int, ...]:
  return (*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])


def _both_doubled(x: jax.Array) -> tuple[int, ...]:
  return (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3])


def _halved(axis: int, x: jax.Array) -> tuple[int, ...]:
  return (*x.shape[:axis], x.shape[axis] // 2, *x.shape[axis + 1 :])


# --- GPU ------------------------------------------------------------------------------------------


def _up_by_all_shifts(_: Any, x: jax.Array) -> jax.Array:
  return _up_by_shifts(1, _up_by_shifts(2, x))


def _down_by_all_shifts(_: Any, x: jax.Array) -> jax.Array:
  return _down_by_shifts(2, _down_by_shifts(1, x))


def _up_by_shifts(axis: int, x: jax.Array) -> jax.Array:
  before, after = _neighbours(x, axis)
  even, odd = (3 * x + before) / 4, (3 * x + after) / 4
  return jnp.stack([even, odd], axis=axis + 1).reshape(_doubled(axis, x))


def _down_by_shifts(axis: int, x: jax.Array) -> jax.Array:
  pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
  even, odd = (lax.index_in_dim(pairs, i, axis + 1, keepdims=False) for i in (0, 1))
  before, _ = _neighbours(odd, axis)
  _, after = _neighbours(even, axis)
  return (before + 3 * even + 3 * odd + after) / 8


def _neighbours(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
  """The arrays moved by one: at i they hold x[i - 1] and x[i + 1], zero outside."""
  size = x.shape[axis]
  padded = jnp.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(x.ndim)])
  take = lambda start: lax.slice_in_dim(padded, start, start + size, axis=axis)
  return take(0), take(2)


# --- TPU ------------------------------------------------------------------------------------------


def _down_by_convolution(_: Any, x: jax.Array) -> jax.Array:
  taps, channels = np.array([1, 3, 3, 1]) / 8, x.shape[-1]
  kernel = jnp.asarray(np.outer(taps, taps), x.dtype)[:, :, None, None]
  return lax.conv_general_dilated(
    x,
    jnp.broadcast_to(kernel, (4, 4, 1, channels)),
    window_strides=(2, 2),
    padding=((1, 1), (1, 1)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=channels,
    precision=lax.Precision.HIGHEST,  # float32 stays what it is, as by shifts
  )


def _up_by_convolution(_: Any, x: jax.Array) -> jax.Array:
  of = jax.ShapeDtypeStruct(_both_doubled(x), x.dtype)
  (up,) = jax.linear_transpose(lambda y: _down_by_convolution(None, y), of)(4 * x)
  return up


# --- CPU ------------------------------------------------------------------------------------------


def _up_by_matrix(axis: int, x: jax.Array) -> jax.Array:
  return _apply(_interpolation(x.shape[axis]), axis, x).reshape(_doubled(axis, x))


def _down_by_matrix(axis: int, x: jax.Array) -> jax.Array:
  matrix = _interpolation(x.shape[axis] // 2).T / 2
  return _apply(matrix, axis, x).reshape(_halved(axis, x))


def _apply(matrix: np.ndarray, axis: int, x: jax.Array) -> jax.Array:
  """Multiplies along an axis, for each index of the axes before it."""
  rows = x.reshape(-1, x.shape[axis], int(np.prod(x.shape[axis + 1 :])))
  each = jnp.broadcast_to(jnp.asarray(matrix, x.dtype), (rows.shape[0], *matrix.shape))
  return lax.batch_matmul(each, rows)


def _interpolation(size: int) -> np.ndarray:
  """The matrix of `_up`, `[2 * size, size]`; each element is exact in every type."""
  matrix = np.zeros((2 * size, size), np.float32)
  for tap, weight in enumerate((0.25, 0.75, 0.75, 0.25)):
    for i in range(size):
      if 0 <= 2 * i + tap - 1 < 2 * size:
        matrix[2 * i + tap - 1, i] = weight
  return matrix


# --- Each is the transpose of the other up to the factor 4 ----------------------------------------


_up: linear.Operation = linear.define(
  'upsample',
  lambda _, x: _both_doubled(x),
  _up_by_all_shifts,
  cpu=lambda _, x: _up_by_matrix(1, _up_by_matrix(2, x)),
  tpu=_up_by_convolution,
  transposes=(lambda _, g: 4 * _down(None, g),),
)
_down: linear.Operation = linear.define(
  'downsample',
  lambda _, x: (x.shape[0], x.shape[1] // 2, x.shape[2] // 2, x.shape[3]),
  _down_by_all_shifts,
  cpu=lambda _, x: _down_by_matrix(2, _down_by_matrix(1, x)),
  tpu=_down_by_convolution,
  transposes=(lambda _, g: _up(None, g) / 4,),
)
