"""R1 by a finite difference along noise (GAT, arXiv:2509.24935; AFM, arXiv:2511.22475)."""

import dataclasses

import jax

from gan_jax.training.regularisers.finite_difference import squared_slopes
from gan_jax.training.view import DiscriminatorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of approximate R1.

  Attributes:
    weight: γ, as that of `r1`.
    epsilon: length of the step along N(0, I), on the scale of images in [−1, 1].
    one_in: of how many real images one is looked at (AFM: 4).
  """

  weight: float = 0.1
  epsilon: float = 0.01
  one_in: int = 1


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """½ ((D(x + εn) − D(x)) / ε)² of real images, `[B / one_in]`."""
  return squared_slopes(view, view.real, settings.epsilon, settings.one_in)
