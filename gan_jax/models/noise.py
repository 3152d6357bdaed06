"""Noise within generators: drawn anew for every image, and the same whenever that image is made."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.models.layers import Initializer

FIXED = 'fixed_noise'
"""The collection of noise that a network was brought with, in place of what is drawn for all."""


def keys_of(latents: jax.Array) -> jax.Array:
  """A key for each row of latents `[B, z]`, decided by its bits alone.

  So an image is a function of its latent: one device and eight make the same, in training and
  after it, and nothing beside the latents has to be kept to make it again.
  """
  bits = jax.lax.bitcast_convert_type(latents.astype(jnp.float32), jnp.uint32)
  draw = np.random.default_rng(0).integers(0, 2**31, (bits.shape[-1], 2), np.uint32)
  # Sums of products with odd numbers, modulo 2³²: each bit of z moves both words of the key.
  words = (bits[..., None] * jnp.asarray(2 * draw + 1)).sum(axis=1, dtype=jnp.uint32)
  return jax.random.wrap_key_data(words)


def planes(keys: jax.Array | None, number: int, shape: tuple[int, ...]) -> jax.Array:
  """N(0, 1) of a layer, `[B, H, W, 1]` of keys `[B]`; without, `[1, H, W, 1]`, for all images.

  Args:
    keys: of the images, or None.
    number: of the layer, which is part of the draw.
    shape: `(H, W)`.
  """
  keys = jax.random.key(0)[None] if keys is None else keys
  own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
  return jax.vmap(lambda key: jax.random.normal(key, (*shape, 1)))(own)


class Noise(nn.Module):
  """Adds a plane of noise, the same for all channels, times one learned number, zero at first."""

  number: int
  strength_init: Initializer = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
    """Adds it to `[B, H, W, C]`; see `planes`."""
    strength = self.param('strength', self.strength_init, ())
    if keys is None and self.has_variable(FIXED, 'plane'):
      added: jax.Array = self.get_variable(FIXED, 'plane')[None, :, :, None]
    else:
      added = planes(keys, self.number, x.shape[1:3])
    return x + (strength * added).astype(x.dtype)
