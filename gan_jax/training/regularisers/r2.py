"""R2: the gradient at generated images (Mescheder et al. 2018, arXiv:1801.04406, Eq. 10)."""

import dataclasses

import jax

from gan_jax.training.view import DiscriminatorView

NEEDS = ('fake_gradient',)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of R2.

  Attributes:
    weight: γ of γ/2 E‖∇D(fake)‖², squares summed over the values of an image.
  """

  weight: float = 1.0


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """½‖∇D(x)‖² at each generated image before augmentation, `[B]`."""
  del settings
  return view.fake.squared_norms / 2
