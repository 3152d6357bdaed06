"""DRAGAN: a gradient penalty around the real images (Kodali et al. 2017, arXiv:1705.07215)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.about import Run
from gan_jax.training.regularisers.gradient_penalty import from_one
from gan_jax.training.view import DiscriminatorView

WHOLE_BATCH = True


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of DRAGAN.

  Attributes:
    weight: λ of λ E(‖∇D(x̂)‖ − 1)².
    spread: longest step from a real image, in standard deviations of the reals' values.
    one_sided: penalise norms above 1 alone.
  """

  weight: float = 10.0
  spread: float = 0.5
  one_sided: bool = False


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """(‖∇D(x̂)‖ − 1)² at x̂ = x + α · spread · σu, `[B]`.

  σ is the standard deviation of all values of all reals, u ~ U(0, 1) for each value and α ~ U(0, 1)
  for each image.
  """
  alpha = jax.vmap(jax.random.uniform)(view.keys('alpha'))
  leaves, structure = jax.tree.flatten(view.real.images)
  moved = []
  for number, x in enumerate(leaves):
    own = view.keys(f'step{number}')
    step = jax.vmap(lambda key, x=x: jax.random.uniform(key, x.shape[1:], x.dtype))(own)
    square, mean = (view.mean(v.reshape(len(x), -1).mean(axis=1)) for v in (x * x, x))
    deviation = jnp.sqrt(jnp.maximum(square - mean**2, 0))
    scale = settings.spread * deviation * alpha.reshape(-1, *[1] * (x.ndim - 1))
    moved.append(x + scale * step)
  images = jax.tree.unflatten(structure, moved)
  return from_one(view.squared_norms(images, view.real), settings.one_sided)


def check(about: Run, settings: Settings) -> None:
  """Refuses a discriminator in which images have a part in each other's logits."""
  del settings
  about.refuse_batch_norm('it bounds the gradient of one image by itself')
