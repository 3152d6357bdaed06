"""Pixels as images store them, uint8 or uint16, and as networks see them, float32 in [-1, 1].

Float32 on the scale of uint8 stands between them: pixels that have not been rounded.
"""

import jax
import jax.numpy as jnp
import numpy as np


def to_model(images: jax.Array | np.ndarray) -> jax.Array:
  """Maps 0..255 (uint8, float32) or 0..65535 (uint16) to [-1, 1], float32."""
  half = (255 if images.dtype == np.float32 else np.iinfo(images.dtype).max) / 2
  return jnp.asarray(images).astype(jnp.float32) / half - 1.0


def from_model(images: jax.Array, dtype: np.dtype) -> jax.Array:
  """Maps [-1, 1] to the whole range of uint8 or uint16, rounding; values outside are clipped."""
  top = np.iinfo(dtype).max
  return jnp.clip(jnp.round((images + 1.0) * (top / 2)), 0, top).astype(dtype)


def unrounded(images: jax.Array) -> jax.Array:
  """Maps [-1, 1] to 0..255 as `from_model` does, but keeps float32."""
  return jnp.clip((images + 1.0) * 127.5, 0, 255)
