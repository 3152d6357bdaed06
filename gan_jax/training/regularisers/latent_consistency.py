"""zCR: the discriminator ignores small changes of z, the generator does not (arXiv:2002.04724)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.view import DiscriminatorView, GeneratorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of latent consistency regularisation.

  Attributes:
    weight: λ_D of E(D(G(z)) − D(G(z′)))².
    generator_share: λ_G over λ_D, of −E(G(z) − G(z′))², the mean over all values of an image.
    radius: standard deviation of z′ − z.
  """

  weight: float = 5.0
  generator_share: float = 0.1
  radius: float = 0.03


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """(D(G(z)) − D(G(z′)))², `[B]` or `[B, n]`; both behind the same draw of the augmentation."""
  images = view.generate(_near(view, settings))
  return jnp.square(view.fake.logits - view.judge(images, view.fake))


def generator(view: GeneratorView, settings: Settings) -> jax.Array:
  """−(G(z) − G(z′))² times its share, the mean over the values of an image, `[B]`."""
  near = view.generate(_near(view, settings), view.labels)
  apart = lambda a, b: jnp.square(a - b).reshape(len(a), -1).mean(axis=1)
  squares = jnp.stack(jax.tree.leaves(jax.tree.map(apart, view.fake.images, near)))
  return -settings.generator_share * squares.mean(axis=0)


def _near(view: DiscriminatorView | GeneratorView, settings: Settings) -> jax.Array:
  return view.latents + settings.radius * view.normal_latents('near')
