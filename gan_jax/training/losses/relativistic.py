"""The relativistic pairing loss (Jolicoeur-Martineau 2018; R3GAN, arXiv:2501.05441, Eq. 2)."""

import jax
from flax import linen as nn

PAIRS = True


def d_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns −log σ(real − fake) of the pairs by index, `[B]` or `[B, n]` from two of them."""
  return nn.softplus(fake_logits - real_logits)


def g_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns −log σ(fake − real) of the pairs by index, `[B]` or `[B, n]` from two of them."""
  return nn.softplus(real_logits - fake_logits)
