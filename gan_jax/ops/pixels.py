"""Pixels as images store them, uint8 or uint16, and as networks see them, float32 in [-1, 1].

Float32 on the scale of uint8 stands between them: pixels that have not been rounded.
"""

import jax
import jax.numpy as jnp
import numpy as np


def to_model(images: jax.Array | np.ndarray) -> jax.Array:
  """Maps 0..255 (uint8, float32) or 0..65535 (uint16) to [-1, 1], float32."""
  return jnp.asarray(images).astype(jnp.float32) / (_top(images.dtype) / 2) - 1.0


def to_byte_scale(images: jax.Array | np.ndarray) -> jax.Array:
  """Maps 0..255 (uint8, float32) or 0..65535 (uint16) to 0..255, float32."""
  return jnp.asarray(images).astype(jnp.float32) * (255 / _top(images.dtype))


def from_model(images: jax.Array, dtype: np.dtype) -> jax.Array:
  """Maps [-1, 1] to the whole range of uint8 or uint16, rounding; values outside are clipped."""
  top = np.iinfo(dtype).max
  return jnp.clip(jnp.round((images + 1.0) * (top / 2)), 0, top).astype(dtype)


def unrounded(images: jax.Array) -> jax.Array:
  """Maps [-1, 1] to 0..255 as `from_model` does, but keeps float32."""
  return jnp.clip((images + 1.0) * 127.5, 0, 255)


def _top(dtype: np.dtype) -> int:
  """The value of white; float32 images that are not a model's own are on the scale of uint8."""
  return 255 if dtype == np.float32 else int(np.iinfo(dtype).max)
