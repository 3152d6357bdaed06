"""bCR: consistency of reals and of fakes (Zhao et al. 2020, arXiv:2002.04724, Algorithm 1).

With few data the change leaks into the samples (arXiv:2006.06676): not for tiny sets.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.regularisers.consistency import moved
from gan_jax.training.view import DiscriminatorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of balanced consistency regularisation.

  Attributes:
    weight: λ of reals.
    fake_share: λ of fakes over that of reals.
    shift: longest shift of T, as a share of the side.
    flip: T mirrors as well; not for digits or letters.
  """

  weight: float = 10.0
  fake_share: float = 1.0
  shift: float = 0.125
  flip: bool = True


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """(D(x) − D(T(x)))² of reals plus that of fakes, times its share, `[B]` or `[B, n]`."""
  total = jnp.zeros(())
  for name, judged, share in (('real', view.real, 1.0), ('fake', view.fake, settings.fake_share)):
    images = moved(view.keys(name), judged.images, settings.shift, settings.flip)
    logits = view.judge(images, judged, fresh=f'augment {name}')
    total += share * jnp.square(judged.logits - logits)
  return total
