"""A discriminator that decodes its features of reals again (FastGAN, arXiv:2101.04775, Eq. 2)."""

import dataclasses

import jax

from gan_jax.training.about import Run
from gan_jax.training.view import DiscriminatorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of the reconstruction.

  Attributes:
    weight: factor on the distance of decoded images, which the discriminator's section names.
  """

  weight: float = 1.0


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """Distance of decoded reals from the reals, `[B]`."""
  del settings
  return view.real.outputs['reconstruction']


def check(about: Run, settings: Settings) -> None:
  """Refuses a discriminator that decodes nothing."""
  del settings
  if 'reconstruction' not in about.outputs:
    about.refuse('the discriminator decodes nothing; accepted with model.name=fastgan')
