"""The hinge loss (Lim and Ye 2017, arXiv:1705.02894; arXiv:1802.05957, Eq. 16 and 17)."""

import jax
from flax import linen as nn


def d_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns relu(1 − real) + relu(1 + fake), `[B]` or `[B, n]` from two of them."""
  return nn.relu(1 - real_logits) + nn.relu(1 + fake_logits)


def g_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns −fake, `[B]` or `[B, n]`; the real logits play no part."""
  del real_logits
  return -fake_logits
