"""The geometric operations of ADA: one matrix for each image, and resampling by it.

Coordinates are pixels from the image's centre, x to the right and y down; a matrix maps places of
the result to places of the image.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.ops import linear
from gan_jax.training.augment.ada_draws import Draws

# The orthogonal wavelet filter sym6 (Daubechies 1992), its sum 1: low-pass, and with its mirror
# image nearly perfect at reconstruction.
_SYM6 = (
  *(0.01089235, 0.00246831, -0.08343161, -0.03416156, 0.34722899, 0.55694639),
  *(0.23895219, -0.05136248, -0.01489188, 0.03162528, 0.00124996, -0.00551593),
)
_EDGE = len(_SYM6) // 4  # pixels beyond the image that the last filter looks at
_LARGE = 2**16  # pixels of an image, from which on a batch of them is not resampled at once


def matrix(draws: Draws, size: tuple[int, int], settings: Any) -> jax.Array:
  """The matrix `[3, 3]` of one image of a height and width, from its draws.

  In order: mirror, quarter turns, whole-pixel shift, scale, rotation, anisotropic scale, rotation,
  shift (arXiv:2006.06676, appendix B). Where sides differ, half turns stand for quarter turns.
  """
  s, (H, W) = settings, size
  result = jnp.eye(3)
  mirror = draws.where_fired(0, s.xflip, draws.integer(1, 2), 0)
  result @= _scale(1 - 2 * mirror, 1.0)
  turns = draws.integer(3, 4) if H == W else 2 * draws.integer(3, 2)
  result @= _rotate(math.pi / 2 * draws.where_fired(2, s.rotate90, turns, 0))
  shift = draws.where_fired(4, s.xint, s.xint_max * draws.uniform_pair(5), 0.0)
  result @= _translate(-jnp.round(shift[0] * W), -jnp.round(shift[1] * H))
  scale = draws.where_fired(6, s.scale, 2 ** (s.scale_std * draws.normal(7)), 1)
  result @= _scale(1 / scale, 1 / scale)
  # Of two rotations at least one fires with the probability that one would have.
  once = 1 - jnp.sqrt(1 - jnp.clip(s.rotate * draws.strength, 0, 1))
  angle = lambda n: math.pi * s.rotate_max * draws.uniform(n)
  result @= _rotate(draws.where_fired(8, 1.0, angle(9), 0, once))
  scale = draws.where_fired(10, s.aniso, 2 ** (s.aniso_std * draws.normal(11)), 1)
  result @= _scale(1 / scale, scale)
  result @= _rotate(draws.where_fired(12, 1.0, angle(13), 0, once))
  shift = draws.where_fired(14, s.xfrac, s.xfrac_std * draws.normal_pair(15), 0.0)
  return result @ _translate(-shift[0] * W, -shift[1] * H)


def resample(images: jax.Array, matrices: jax.Array) -> jax.Array:
  """Moves images `[B, H, W, C]` by matrices `[B, 3, 3]`, reflected beyond their borders.

  Twice as fine by sym6, looked up between four pixels, and back: so turning an image time and again
  blurs little. The reflection reaches as far as half a side and the filters; beyond is 0.
  """
  if images.shape[1] * images.shape[2] < _LARGE:
    return _resample(images, matrices)
  return linear.by_platform(images, matrices, tpu=_resample_in_turn, plain=_resample)


def _resample_in_turn(images: jax.Array, matrices: jax.Array) -> jax.Array:
  """One image after the other: a TPU's scatter, the gradient, holds 1.4 GB for one of 1,024²."""
  one = lambda pair: _resample(pair[0][None], pair[1][None])[0]
  # The places of all pixels are found again for the gradient, rather than kept.
  return jax.lax.map(jax.checkpoint(one), (images, matrices))


def _resample(images: jax.Array, matrices: jax.Array) -> jax.Array:
  H, W = images.shape[1:3]
  margins = [min(side - 1, 2 * _EDGE + (side + 1) // 2) for side in (H, W)]
  images = jnp.pad(images, ((0, 0), *((m, m) for m in margins), (0, 0)), mode='reflect')
  for axis in (1, 2):
    images = _up(images, axis)
  # On the finer grid, whose centre is half a fine pixel off.
  fine = _translate(-0.5, -0.5) @ _scale(2.0, 2.0)
  back = _scale(0.5, 0.5) @ _translate(0.5, 0.5)
  images = _look_up(images, fine @ matrices @ back, (2 * (H + 2 * _EDGE), 2 * (W + 2 * _EDGE)))
  for axis in (1, 2):
    images = _down(images, axis)
  return images


def _up(x: jax.Array, axis: int) -> jax.Array:
  """Twice as many pixels along an axis; the two phases of the filter by shifted sums."""
  x = jnp.moveaxis(x, axis, 1)
  n = x.shape[1]
  padded = jnp.pad(x, ((0, 0), (3, 3), *[(0, 0)] * (x.ndim - 2)))
  at = lambda shift: padded[:, 3 + shift : 3 + shift + n]
  even = sum(2 * _SYM6[2 * r + 1] * at(2 - r) for r in range(6))
  odd = sum(2 * _SYM6[2 * r] * at(3 - r) for r in range(6))
  both = jnp.stack([even, odd], axis=2).reshape(x.shape[0], 2 * n, *x.shape[2:])
  return jnp.moveaxis(both, 1, axis)


def _down(y: jax.Array, axis: int) -> jax.Array:
  """Half as many pixels along an axis, less the edge on both sides."""
  y = jnp.moveaxis(y, axis, 1)
  n = y.shape[1] // 2 - 2 * _EDGE
  pairs = y[:, 1:-1].reshape(y.shape[0], -1, 2, *y.shape[2:])
  taps = (_SYM6[2 * r + p] * pairs[:, r : r + n, p] for r in range(6) for p in (0, 1))
  return jnp.moveaxis(sum(taps), 1, axis)


def _look_up(images: jax.Array, matrices: jax.Array, size: tuple[int, int]) -> jax.Array:
  """The values at the mapped places of a result of `size`, between four pixels; outside is 0."""
  H, W, C = images.shape[1:]
  y, x = (jnp.arange(side) + 0.5 - side / 2 for side in size)
  places = jnp.stack(
    [*jnp.broadcast_arrays(x[None, :], y[:, None]), jnp.ones(size)], axis=-1
  ).reshape(-1, 3)
  at_x, at_y, _ = jnp.moveaxis(jnp.einsum('bij,nj->bni', matrices, places), 2, 0)
  at_x, at_y = at_x + W / 2 - 0.5, at_y + H / 2 - 0.5
  left, top = jnp.floor(at_x), jnp.floor(at_y)
  flat = images.reshape(len(images), H * W, C)

  def corner(x: jax.Array, y: jax.Array) -> jax.Array:
    share = (1 - jnp.abs(at_x - x)) * (1 - jnp.abs(at_y - y))
    share = jnp.where((x >= 0) & (x < W) & (y >= 0) & (y < H), share, 0)
    index = jnp.clip(y, 0, H - 1) * W + jnp.clip(x, 0, W - 1)
    pick = jax.vmap(lambda rows, i: rows.at[i].get(mode='promise_in_bounds'))
    return share[..., None] * pick(flat, index.astype(jnp.int32))

  corners = [corner(left + right, top + below) for right in (0, 1) for below in (0, 1)]
  return sum(corners[1:], corners[0]).reshape(len(images), *size, C)


def _rows(*rows: tuple[object, object, object]) -> jax.Array:
  return jnp.stack([jnp.stack([jnp.asarray(v, jnp.float32) for v in row]) for row in rows])


def _scale(x: object, y: object) -> jax.Array:
  return _rows((x, 0, 0), (0, y, 0), (0, 0, 1))


def _translate(x: object, y: object) -> jax.Array:
  return _rows((1, 0, x), (0, 1, y), (0, 0, 1))


def _rotate(angle: jax.Array) -> jax.Array:
  cosine, sine = jnp.cos(angle), jnp.sin(angle)
  return _rows((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1))
