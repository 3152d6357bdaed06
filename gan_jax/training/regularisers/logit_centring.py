"""Logit centring: fixes the constant that a relativistic loss leaves free (arXiv:2511.22475)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.view import DiscriminatorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of logit centring.

  Attributes:
    weight: c of c E(D(real) + D(fake))².
  """

  weight: float = 0.01


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """(D(real) + D(fake))² of the pairs by index, `[B]` or `[B, n]`."""
  del settings
  return jnp.square(view.real.logits + view.fake.logits)
