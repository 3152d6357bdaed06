"""Earlier levels of the generator's image near the whole one (CAT, arXiv:2605.26449).

The paper's page does not give the formula; this is the mean square, with the whole image held.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.view import GeneratorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of the consistency of levels.

  Attributes:
    weight: factor on the mean square.
  """

  weight: float = 1.0


def generator(view: GeneratorView, settings: Settings) -> jax.Array:
  """Mean over the levels before the last of their mean square distance from it, `[B]`."""
  del settings
  *before, whole = jax.tree.leaves(view.fake.images)
  whole = jax.lax.stop_gradient(whole)
  if not before:
    return jnp.zeros(whole.shape[0])
  return jnp.stack([jnp.square(x - whole).mean(axis=(1, 2, 3)) for x in before]).mean(axis=0)
