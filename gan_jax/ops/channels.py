"""Sums over all axes but the channels, and their adjoint, fast on every platform.

Batch statistics, and the gradients of biases and scales, are sums over the pixels of all images.
XLA's CPU backend makes a tree of windows out of such a sum, three to five times slower than the
matrix product that stands for it here. Each of the two functions is the derivative of the other.

A batch may have parts: as many images each, one part after the other in its rows. Sums are then
those of each part.
"""

import math

import jax
import jax.numpy as jnp

from gan_jax.ops import linear


def channel_mean(x: jax.Array, parts: int = 1) -> jax.Array:
  """Means over all axes of `[B, ..., C]` but the last in each part of the batch, `[parts, C]`."""
  return channel_sum(x, parts) / (x.size // x.shape[-1] // parts)


def channel_sum(x: jax.Array, parts: int = 1) -> jax.Array:
  """Sums over all axes of `[B, ..., C]` but the last in each part of the batch, `[parts, C]`.

  Raises:
    ValueError: where the parts do not divide the batch.
  """
  _check(parts, x.shape[0])
  return _sum((parts, x.shape), x)


def over_pixels(channels: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Repeats `[parts, C]` over all pixels of a batch of `shape`, `[B, ..., C]`.

  Raises:
    ValueError: where the parts do not divide the batch.
  """
  _check(len(channels), shape[0])
  return _repeat((channels.shape[0], shape), channels)


def _check(parts: int, batch: int) -> None:
  if batch % parts:
    raise ValueError(f'{parts} parts do not divide a batch of {batch}')


_Static = tuple[int, tuple[int, ...]]  # parts, shape of the batch


def _repeated(static: _Static, channels: jax.Array) -> jax.Array:
  parts, shape = static
  if parts == 1:
    return jnp.broadcast_to(channels[0], shape)
  apart = (parts, _rows(shape) // parts, shape[-1])
  return jnp.broadcast_to(channels[:, None], apart).reshape(shape)


def _plain_sum(static: _Static, x: jax.Array) -> jax.Array:
  parts = static[0]
  if parts == 1:  # no rows of pixels out of images, which a TPU would copy for it
    return x.sum(axis=tuple(range(x.ndim - 1)))[None]
  return x.reshape(parts, -1, *x.shape[1:]).sum(axis=tuple(range(1, x.ndim)))


def _product_with_ones(static: _Static, x: jax.Array) -> jax.Array:
  # At least two rows of ones, even if one is thrown away: a product of two matrices is a call into
  # a library, that of a vector and a matrix would be compiled anew for every sum there is.
  parts, rows = static[0], _rows(x.shape)
  ones = jnp.repeat(jnp.eye(parts, dtype=x.dtype), rows // parts, axis=1)
  if parts == 1:
    ones = jnp.ones((2, rows), x.dtype)
  sums = jnp.matmul(ones, x.reshape(rows, -1), preferred_element_type=jnp.float32)
  return sums[:parts].astype(x.dtype)


def _rows(shape: tuple[int, ...]) -> int:
  return math.prod(shape[:-1])


_sum: linear.Operation = linear.define(
  'channel_sum',
  lambda static, x: (static[0], x.shape[-1]),
  _plain_sum,
  cpu=_product_with_ones,
  transposes=(lambda static, total: _repeat(static, total),),
)
_repeat: linear.Operation = linear.define(
  'over_pixels',
  lambda static, channels: static[1],
  _repeated,
  transposes=(lambda static, gradient: _sum(static, gradient),),
)
