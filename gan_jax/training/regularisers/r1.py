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
    one_in: of how many real images one is looked at; from 2 on in a pass of its own.
  """

  weight: float = 1.0
  one_in: int = 1


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """½‖∇D(x)‖² at each real image before augmentation, `[B / one_in]`."""
  if settings.one_in > 1:
    part = view.real.one_in(settings.one_in)
    return view.squared_norms(part.images, part) / 2
  return view.real.squared_norms / 2
