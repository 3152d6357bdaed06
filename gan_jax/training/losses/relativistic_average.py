"""The relativistic average loss (Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.2)."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

WHOLE_BATCH = True

Mean = Callable[[jax.Array], jax.Array]
_mean = functools.partial(jnp.mean, axis=0)


def d_loss(real_logits: jax.Array, fake_logits: jax.Array, mean: Mean = _mean) -> jax.Array:
  """Returns −log σ(real − E fake) − log σ(E real − fake), `[B]` or `[B, n]` from two of them."""
  real = real_logits - mean(fake_logits)
  fake = fake_logits - mean(real_logits)
  return nn.softplus(-real) + nn.softplus(fake)


def g_loss(real_logits: jax.Array, fake_logits: jax.Array, mean: Mean = _mean) -> jax.Array:
  """Returns −log σ(E fake − real) − log σ(fake − E real), `[B]` or `[B, n]` from two of them."""
  return d_loss(fake_logits, real_logits, mean)
