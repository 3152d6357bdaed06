"""The gradient penalty of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028, Eq. 3)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.about import Run
from gan_jax.training.view import DiscriminatorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of the gradient penalty.

  Attributes:
    weight: λ of λ E(‖∇D(x̂)‖ − 1)².
    one_sided: penalise norms above 1 alone.
  """

  weight: float = 10.0
  one_sided: bool = False


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """(‖∇D(x̂)‖ − 1)² at x̂ = αx + (1 − α)G(z), α ~ U(0, 1) for each pair, `[B]`."""
  alpha = jax.vmap(jax.random.uniform)(view.keys())

  def between(real: jax.Array, fake: jax.Array) -> jax.Array:
    share = alpha.reshape(-1, *[1] * (real.ndim - 1))
    return share * real + (1 - share) * fake

  images = jax.tree.map(between, view.real.images, view.fake.images)
  return from_one(view.squared_norms(images, view.real), settings.one_sided)


def from_one(squared_norms: jax.Array, one_sided: bool) -> jax.Array:
  """(‖∇‖ − 1)², or relu(‖∇‖ − 1)², `[B]`."""
  # The root's derivative is infinite at 0, where a discriminator that is flat would begin.
  excess = jnp.sqrt(squared_norms + 1e-12) - 1
  return jnp.square(jnp.maximum(excess, 0) if one_sided else excess)


def check(about: Run, settings: Settings) -> None:
  """Refuses a discriminator in which images have a part in each other's logits."""
  del settings
  about.refuse_batch_norm('it bounds the gradient of one image by itself')
