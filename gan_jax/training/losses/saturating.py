"""The minimax loss (Goodfellow et al. 2014, arXiv:1406.2661, Eq. 1).

The generator's gradient vanishes where the discriminator is sure: `nonsaturating` does not.
"""

import jax
from flax import linen as nn


def d_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns −log σ(real) − log(1 − σ(fake)), `[B]` or `[B, n]` from two of them."""
  return nn.softplus(-real_logits) + nn.softplus(fake_logits)


def g_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns log(1 − σ(fake)), `[B]` or `[B, n]`; the real logits play no part."""
  del real_logits
  return -nn.softplus(fake_logits)
