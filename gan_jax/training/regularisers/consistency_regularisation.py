"""CR: logits that stay when the image is changed (Zhang et al. 2019, arXiv:1910.12027)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.regularisers.consistency import moved
from gan_jax.training.view import DiscriminatorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of consistency regularisation.

  Attributes:
    weight: λ of λ E(D(x) − D(T(x)))².
    shift: longest shift of T, as a share of the side.
    flip: T mirrors as well; not for digits or letters.
  """

  weight: float = 10.0
  shift: float = 0.125
  flip: bool = True


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """(D(x) − D(T(x)))² of the real images, `[B]` or `[B, n]`; an augmentation is drawn for each."""
  images = moved(view.keys(), view.real.images, settings.shift, settings.flip)
  return jnp.square(view.real.logits - view.judge(images, view.real, fresh='augment'))
