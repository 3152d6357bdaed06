"""The colour operations of ADA: one matrix for each image."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.training.augment.ada_draws import Draws


def matrix(draws: Draws, grey: bool, settings: Any) -> jax.Array:
  """The matrix `[4, 4]` that maps (r, g, b, 1) of one image, from its draws.

  In order: brightness, contrast, mirrored lightness, hue, saturation (arXiv:2006.06676, appendix
  B). Grey has no hue and no saturation.
  """
  s, result = settings, jnp.eye(4)
  axis = jnp.array([1.0, 1.0, 1.0, 0.0]) / math.sqrt(3)  # of the greys
  along = jnp.outer(axis, axis)
  brightness = draws.where_fired(20, s.brightness, s.brightness_std * draws.normal(21), 0)
  result = jnp.eye(4).at[:3, 3].set(brightness) @ result
  contrast = draws.where_fired(22, s.contrast, 2 ** (s.contrast_std * draws.normal(23)), 1)
  result = jnp.diag(jnp.stack([*[contrast] * 3, jnp.ones(())])) @ result
  flip = draws.where_fired(24, s.lumaflip, draws.integer(25, 2), 0)
  result = (jnp.eye(4) - 2 * flip * along) @ result
  if grey:
    return result
  angle = draws.where_fired(26, s.hue, math.pi * s.hue_max * draws.uniform(27), 0)
  result = _turn(axis[:3], angle) @ result
  saturation = draws.where_fired(28, s.saturation, 2 ** (s.saturation_std * draws.normal(29)), 1)
  across = jnp.eye(4).at[3, 3].set(0) - along
  return (along + across * saturation).at[3, 3].set(1) @ result


def apply(images: jax.Array, matrices: jax.Array) -> jax.Array:
  """Maps the colours of `[B, H, W, C]` by matrices `[B, 4, 4]`; a fourth channel stays as it is."""
  if images.shape[-1] == 1:
    row = matrices[:, :3].mean(axis=1)
    return images * row[:, :3].sum(axis=1)[:, None, None, None] + row[:, 3][:, None, None, None]
  colour = jnp.einsum('bij,bhwj->bhwi', matrices[:, :3, :3], images[..., :3])
  return jnp.concatenate([colour + matrices[:, None, None, :3, 3], images[..., 3:]], axis=3)


def _turn(axis: jax.Array, angle: jax.Array) -> jax.Array:
  """Rotation about an axis `[3]` of length 1 (Rodrigues), `[4, 4]`."""
  x, y, z = axis
  cross = jnp.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
  turn = jnp.cos(angle) * jnp.eye(3) + (1 - jnp.cos(angle)) * jnp.outer(axis, axis)
  return jnp.eye(4).at[:3, :3].set(turn + jnp.sin(angle) * cross)
