"""Mode seeking: other latents make other images (MSGAN, arXiv:1903.05628)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.view import GeneratorView

_LEAST = 1e-5  # added to a ratio: two images may be one and the same


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of mode seeking.

  Attributes:
    weight: factor on the inverse of the ratio.
  """

  weight: float = 1.0


def generator(view: GeneratorView, settings: Settings) -> jax.Array:
  """1 / (mean |G(z) − G(z′)| / mean |z − z′| + 1e-5) of each image, `[B]`.

  z′ is drawn anew and its image is of the same class. The ratio is of a pair, where the published
  code takes that of a batch's means: the term belongs to an image, however batches are divided.
  """
  del settings
  other = view.normal_latents('other')
  images = view.generate(other, view.labels)
  apart = jax.tree.map(_distances, view.fake.images, images)
  images_apart = jnp.stack(jax.tree.leaves(apart)).mean(axis=0)
  return 1 / (images_apart / _distances(view.latents, other) + _LEAST)


def _distances(a: jax.Array, b: jax.Array) -> jax.Array:
  return jnp.abs(a - b).reshape(len(a), -1).mean(axis=1)
