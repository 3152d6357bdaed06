"""The image-space filter of ADA: the strength of four octaves of frequencies."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.training.augment.ada_draws import Draws

_SYM2 = (-0.12940952, 0.22414387, 0.83651630, 0.48296291)
# Power of each band in natural images, 1/f: bands are scaled without changing the whole.
_POWER = np.array([10.0, 1.0, 1.0, 1.0]) / 13


def bank() -> np.ndarray:
  """The bands' filters, low to high, `[4, 43]`: their sum leaves an image as it is."""
  low = np.convolve(_SYM2, _SYM2[::-1]) / 2
  high = low * (-1.0) ** np.arange(1, len(low) + 1)
  filters = np.eye(4, 1)
  for band in range(1, 4):
    wide = np.zeros((4, 2 * filters.shape[1] - 1))
    wide[:, ::2] = filters
    filters = np.stack([np.convolve(row, low) for row in wide])
    middle = (filters.shape[1] - len(high)) // 2
    filters[band, middle : middle + len(high)] += high
  return filters


def gains(draws: Draws, settings: Any) -> jax.Array:
  """The factor on each band of one image, `[4]`."""
  total = jnp.ones(4)
  for band in range(4):
    t = 2 ** (settings.imgfilter_std * draws.normal(31 + 2 * band))
    one = jnp.ones(4).at[band].set(draws.where_fired(30 + 2 * band, settings.imgfilter, t, 1))
    total *= one / jnp.sqrt(jnp.sum(_POWER * jnp.square(one)))
  return total


def apply(images: jax.Array, factors: jax.Array) -> jax.Array:
  """Filters `[B, H, W, C]` along both axes by the bands' factors `[B, 4]`, borders reflected."""
  taps = factors @ jnp.asarray(bank(), jnp.float32)
  for axis in (1, 2):
    x = jnp.moveaxis(images, axis, 1)
    half, n = taps.shape[1] // 2, x.shape[1]
    # Of an image smaller than the filter, the reflection is reflected again.
    index = np.pad(np.arange(n), half, mode='reflect') if n > 1 else np.zeros(2 * half + n, int)
    padded = x[:, index]
    shifted = (taps[:, k, None, None, None] * padded[:, k : k + n] for k in range(taps.shape[1]))
    images = jnp.moveaxis(sum(shifted), 1, axis)
  return images
