"""Gradient penalties on the discriminator: they take a function and a point."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Score = Callable[[jax.Array], tuple[jax.Array, Any]]


def zero_centred(score: Score, x: jax.Array) -> tuple[jax.Array, jax.Array, Any]:
  """Squared norm of the score's gradient at each image, with the scores that it came from.

  At real images this is R1, at generated ones R2 (Mescheder et al. 2018, arXiv:1801.04406, Eq. 9
  and 10), without the factor γ/2. Scoring and penalising share one forward pass.

  Args:
    score: maps images `[B, H, W, C]` to `(logits [B], aux)`.
    x: the images, `[B, H, W, C]`.

  Returns:
    The logits `[B]`, the penalties `[B]` (squares summed over H, W and C), and aux.
  """

  def total(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, Any]]:
    logits, aux = score(x)
    return logits.sum(), (logits, aux)

  gradient, (logits, aux) = jax.grad(total, has_aux=True)(x)
  # float32: a sum of squares over thousands of pixels loses its small terms in bfloat16.
  return logits, jnp.sum(jnp.square(gradient.astype(jnp.float32)), axis=(1, 2, 3)), aux
