"""The hinge loss with a margin that is drawn for each logit (FastGAN, arXiv:2101.04775, its code).

The margin is u ~ U(0.8, 1); what is here is the mean over it, whose gradient is the mean of the
gradients, so that nothing has to be drawn.
"""

import jax
import jax.numpy as jnp

_LOW, _HIGH = 0.8, 1.0


def d_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """E max(0, u − D(x)) + E max(0, u + D(G(z)))."""
  return _hinge(real_logits) + _hinge(-fake_logits)


def g_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
  """−D(G(z))."""
  del real_logits
  return -fake_logits


def _hinge(x: jax.Array) -> jax.Array:
  """E max(0, u − x): a straight line, a parabola between the margins, nothing."""
  within = jnp.clip(x, _LOW, _HIGH)
  parabola = jnp.square(_HIGH - within) / (2 * (_HIGH - _LOW))
  return parabola + jnp.maximum(_LOW - x, 0)
