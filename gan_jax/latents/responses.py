"""What a generator's first layers make of its latents.

Found by listening to a pass of the network, so that an architecture need not say which they are:
layers with a kernel of their own, in the order in which they are called.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.latents.space import Space
from gan_jax.runtime.tree import PyTree


def first(space: Space, variables: PyTree, points: jax.Array, labels: jax.Array) -> jax.Array:
  """The response `[B, R]` that components are found in: of the first layer, or w itself.

  So does GANSpace (Härkönen et al. 2020, arXiv:2004.02546, Sections 2.1 and 2.2).
  """
  if space.name != 'z':
    return points.reshape(len(points), -1)
  _, response = _heard(space, variables, points, labels)[0]
  return response.reshape(len(points), -1)


def of_vectors(space: Space, variables: PyTree, points: jax.Array, labels: jax.Array) -> jax.Array:
  """The responses `[B, R]` of the first layer and of all others that see one vector an image.

  Those are where latents enter: the layer that makes the first features, pieces of a hierarchical
  latent, styles.
  """
  heard = _heard(space, variables, points, labels)
  flat = lambda x: x.reshape(len(points), -1)
  rest = [flat(response) for seen, response in heard[1:] if seen == 2]
  return jnp.concatenate([flat(heard[0][1]), *rest], axis=1)


def _heard(
  space: Space, variables: PyTree, points: jax.Array, labels: jax.Array
) -> list[tuple[int, jax.Array]]:
  """Of every layer with a kernel: the axes of what it sees, and what it answers."""
  found: list[tuple[int, jax.Array]] = []

  def listen(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
    answer = call(*args, **kwargs)
    if context.method_name == '__call__' and context.module.has_variable('params', 'kernel'):
      found.append((args[0].ndim, answer))
    return answer

  # What is computed again for a gradient cannot be heard from outside.
  again: dict[str, Any] = {
    name: 0 for name in ('remat_stages', 'remat') if hasattr(space.generator, name)
  }
  space = space._replace(generator=space.generator.clone(**again))
  with nn.intercept_methods(listen):
    space.images(variables, points, labels)
  return found
