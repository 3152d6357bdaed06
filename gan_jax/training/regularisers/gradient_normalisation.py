"""Normalises what the generator gets from the discriminator (AFM, arXiv:2511.22475)."""

import dataclasses
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree

WHOLE_BATCH = True


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of gradient normalisation.

  Attributes:
    weight: length that the gradient is brought to, as root mean square over an image's values.
    decay: of the moving average of its square, a step.
  """

  weight: float = 1.0
  decay: float = 0.9


class State(flax.struct.PyTreeNode):
  """The moving average of n · Σ g², and the weight that it has gathered; scalars."""

  square: jax.Array
  gathered: jax.Array


def initial_state(settings: Settings) -> State:
  """Nothing gathered."""
  del settings
  return State(*jnp.zeros((2,)))


def image_gradient(
  gradient: PyTree, state: State, settings: Settings, pmean: Callable[[PyTree], PyTree]
) -> tuple[PyTree, State]:
  """G / √(average of n Σ g²), n and the sum over all values of all images.

  The gradient is of a mean over the batch, so that Σ g² falls with the batch and n Σ g² does not:
  the mean over devices of what each finds is what one device would find.

  Args:
    gradient: of the mean loss at the images, `[B, H, W, C]` or a tree of such.
    state: before this step.
    settings: of the run.
    pmean: averages over the devices.
  """
  leaves = jax.tree.leaves(gradient)
  count = sum(x.size for x in leaves)
  square = pmean(count * sum(jnp.sum(jnp.square(x)) for x in leaves))
  mix = lambda old, new: new + settings.decay * (old - new)
  state = State(mix(state.square, square), mix(state.gathered, 1.0))
  # A gradient of nothing but zeros stays what it is.
  scale = jax.lax.rsqrt(jnp.maximum(state.square / state.gathered, 1e-20))
  return jax.tree.map(lambda x: x * scale, gradient), state
