"""The least squares loss (Mao et al. 2017, arXiv:1611.04076): reals to 1, fakes to 0.

Eq. 2 with the targets of Eq. 9, and the factor ½ that both have.
"""

import jax
import jax.numpy as jnp


def d_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns ½ (real − 1)² + ½ fake², `[B]` or `[B, n]` from two of them."""
  return (jnp.square(real_logits - 1) + jnp.square(fake_logits)) / 2


def g_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns ½ (fake − 1)², `[B]` or `[B, n]`; the real logits play no part."""
  del real_logits
  return jnp.square(fake_logits - 1) / 2
