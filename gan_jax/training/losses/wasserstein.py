"""The Wasserstein loss (Arjovsky et al. 2017, arXiv:1701.07875, Eq. 2 and 3).

It needs something that bounds the discriminator's gradient, such as `gradient_penalty`.
"""

import jax


def d_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns fake − real, `[B]` or `[B, n]` from two of them."""
  return fake_logits - real_logits


def g_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """Returns −fake, `[B]` or `[B, n]`; the real logits play no part."""
  del real_logits
  return -fake_logits
