"""R1: the gradient at real images (Mescheder et al. 2018, arXiv:1801.04406, Eq. 9)."""

import dataclasses

import jax

from gan_jax.training.view import DiscriminatorView

NEEDS = ('real_gradient',)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of R1.

  Attributes:
    weight: γ of γ/2 E‖∇D(real)‖², squares summed over the values of an image.
  """

  weight: float = 1.0


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """½‖∇D(x)‖² at each real image before augmentation, `[B]`."""
  del settings
  return view.real.squared_norms / 2
