"""Pixels as images store them, uint8 or uint16, and as networks see them, float32 in [-1, 1]."""

import jax
import jax.numpy as jnp
import numpy as np


def to_model(images: jax.Array | np.ndarray) -> jax.Array:
  """Maps 0..255 (uint8) or 0..65535 (uint16) to [-1, 1], float32."""
  half = np.iinfo(images.dtype).max / 2
  return jnp.asarray(images).astype(jnp.float32) / half - 1.0


def from_model(images: jax.Array, dtype: np.dtype) -> jax.Array:
  """Maps [-1, 1] to the whole range of uint8 or uint16, rounding; values outside are clipped."""
  top = np.iinfo(dtype).max
  return jnp.clip(jnp.round((images + 1.0) * (top / 2)), 0, top).astype(dtype)
