"""Runs a network over a batch a few images at a time on CPUs, where their caches are the limit."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Trunk = Callable[[Any, jax.Array], jax.Array]


def run(trunk: Trunk, params: Any, images: jax.Array, cpu_chunk: int) -> jax.Array:
  """Computes `trunk(params, images)`, in full float32 on every platform.

  GPUs and TPUs multiply in less by default, and scores would differ.

  Args:
    trunk: maps `[B, H, W, C]` to `[B, F]`, each image by itself.
    params: its weights.
    images: `[B, H, W, C]`.
    cpu_chunk: images at a time on a CPU.
  """

  def chunked(params: Any, images: jax.Array) -> jax.Array:
    batch = images.shape[0]
    if batch <= cpu_chunk:
      return trunk(params, images)
    fill = [(0, -batch % cpu_chunk)] + [(0, 0)] * (images.ndim - 1)
    padded = jnp.pad(images, fill)
    parts = padded.reshape(-1, cpu_chunk, *images.shape[1:])
    features = lax.map(lambda part: trunk(params, part), parts)
    return features.reshape(-1, features.shape[-1])[:batch]

  with jax.default_matmul_precision('float32'):
    return lax.platform_dependent(params, images, cpu=chunked, default=trunk)
