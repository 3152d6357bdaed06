"""Doubling and halving of resolution with the separable binomial filter [1, 3, 3, 1] / 8.

The filter is [1, 2, 1] * [1, 1]: bilinear interpolation on the way up, its adjoint up to a factor
on the way down, as in StyleGAN2 and R3GAN (arXiv:2501.05441). Outside the image is zero. Written
with shifts and adds: the fast form on every platform, and so are the derivatives of every order.
"""

import functools

import jax
import jax.numpy as jnp


def upsample(x: jax.Array) -> jax.Array:
  """Doubles height and width of `[B, H, W, C]`; keeps constants away from the edge."""
  return _up(_up(x, 1), 2)


def downsample(x: jax.Array) -> jax.Array:
  """Halves height and width of `[B, H, W, C]`, both even; keeps constants as `upsample`."""
  return _down(_down(x, 1), 2)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _up(x: jax.Array, axis: int) -> jax.Array:
  before, after = _neighbours(x, axis)
  even, odd = (3 * x + before) / 4, (3 * x + after) / 4
  doubled = jnp.stack([even, odd], axis=axis + 1)
  shape = list(x.shape)
  shape[axis] *= 2
  return doubled.reshape(shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _down(x: jax.Array, axis: int) -> jax.Array:
  shape = list(x.shape)
  if shape[axis] % 2:
    raise ValueError(f'downsample halves even sizes; axis {axis} of {x.shape} is odd')
  pairs = x.reshape(*shape[:axis], shape[axis] // 2, 2, *shape[axis + 1 :])
  pick = lambda i: jax.lax.index_in_dim(pairs, i, axis + 1, keepdims=False)
  even, odd = pick(0), pick(1)
  before, _ = _neighbours(odd, axis)
  _, after = _neighbours(even, axis)
  return (before + 3 * even + 3 * odd + after) / 8


# Each is linear, and the adjoint of the other up to the factor 2.
_up.defvjp(lambda x, axis: (_up(x, axis), None), lambda axis, _, g: (2 * _down(g, axis),))
_down.defvjp(lambda x, axis: (_down(x, axis), None), lambda axis, _, g: (_up(g, axis) / 2,))


def _neighbours(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
  """The arrays moved by one: at i they hold x[i - 1] and x[i + 1], zero outside."""
  size = x.shape[axis]
  padded = jnp.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(x.ndim)])
  take = lambda start: jax.lax.slice_in_dim(padded, start, start + size, axis=axis)
  return take(0), take(2)
