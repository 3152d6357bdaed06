"""Sums over all axes but the channels, and their adjoint, fast on every platform.

Batch statistics, and the gradients of biases and scales, are sums over the pixels of all images.
XLA's CPU backend makes a tree of windows out of such a sum, three to five times slower than the
matrix product that stands for it here. Each of the two functions is the derivative of the other.

A batch may have parts: as many images each, one part after the other in its rows. Sums are then
those of each part.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax


def channel_mean(x: jax.Array, parts: int = 1) -> jax.Array:
  """Means over all axes of `[B, ..., C]` but the last in each part of the batch, `[parts, C]`."""
  return channel_sum(x, parts) / (x.size // x.shape[-1] // parts)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def channel_sum(x: jax.Array, parts: int = 1) -> jax.Array:
  """Sums over all axes of `[B, ..., C]` but the last in each part of the batch, `[parts, C]`.

  Raises:
    ValueError: where the parts do not divide the batch.
  """
  if x.shape[0] % parts:
    raise ValueError(f'{parts} parts do not divide a batch of {x.shape[0]}')
  choose = lambda form: functools.partial(form, parts=parts)
  return lax.platform_dependent(x, cpu=choose(_product_with_ones), default=choose(_plain_sum))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def over_pixels(channels: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Repeats `[parts, C]` over all pixels of a batch of `shape`, `[B, ..., C]`."""
  parts, size = channels.shape
  if parts == 1:
    return jnp.broadcast_to(channels[0], shape)
  return jnp.broadcast_to(channels[:, None], (parts, _rows(shape) // parts, size)).reshape(shape)


channel_sum.defvjp(
  lambda x, parts: (channel_sum(x, parts), x.shape),
  lambda parts, shape, total: (over_pixels(total, shape),),
)
over_pixels.defvjp(
  lambda channels, shape: (over_pixels(channels, shape), channels.shape[0]),
  lambda shape, parts, gradient: (channel_sum(gradient, parts),),
)


def _plain_sum(x: jax.Array, parts: int) -> jax.Array:
  return x.reshape(parts, -1, x.shape[-1]).sum(axis=1)


def _product_with_ones(x: jax.Array, parts: int) -> jax.Array:
  # At least two rows of ones, even if one is thrown away: a product of two matrices is a call into
  # a library, that of a vector and a matrix would be compiled anew for every sum there is.
  rows = _rows(x.shape)
  ones = jnp.repeat(jnp.eye(parts, dtype=x.dtype), rows // parts, axis=1)
  if parts == 1:
    ones = jnp.ones((2, rows), x.dtype)
  sums = jnp.matmul(ones, x.reshape(rows, -1), preferred_element_type=jnp.float32)
  return sums[:parts].astype(x.dtype)


def _rows(shape: tuple[int, ...]) -> int:
  return math.prod(shape[:-1])
