"""Path length regularisation of the generator (StyleGAN2, arXiv:1912.04958, Eq. 4)."""

import dataclasses
import math

import flax.struct
import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree
from gan_jax.training.view import GeneratorView

WHOLE_BATCH = True


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of path length regularisation.

  Attributes:
    weight: factor on E(ℓ − a)².
    decay: share by which the average length moves towards that of a batch.
    share: of the batch that is looked at.
  """

  weight: float = 2.0
  decay: float = 0.01
  share: float = 0.5


class State(flax.struct.PyTreeNode):
  """The average length a, a scalar."""

  length: jax.Array


def initial_state(settings: Settings) -> State:
  """An average of 0."""
  del settings
  return State(jnp.zeros(()))


def generator(view: GeneratorView, settings: Settings) -> tuple[jax.Array, PyTree]:
  """(ℓ − a)² of some images, ℓ = √(mean over layers of ‖Jᵀn / √(HW)‖²), n ~ N(0, I).

  J is the derivative of the image by w, or by z where the generator has no mapping network. The
  average is moved by this batch first.
  """
  count = max(1, round(settings.share * len(view.latents)))
  w, synthesise = view.intermediate(count)
  keys = view.keys()[:count]

  def projected(w: PyTree) -> jax.Array:
    total = jnp.zeros(())
    for number, x in enumerate(jax.tree.leaves(synthesise(w))):
      own = jax.vmap(lambda key, n=number: jax.random.fold_in(key, n))(keys)
      noise = jax.vmap(lambda key, x=x: jax.random.normal(key, x.shape[1:]))(own)
      total += jnp.sum(x * noise) / math.sqrt(x.shape[1] * x.shape[2])
    return total

  gradients = jax.tree.leaves(jax.grad(projected)(w))
  # A w of `[B, layers, width]` is averaged over its layers; one of `[B, width]` is one layer.
  squares = sum(jnp.square(g).sum(-1).reshape(count, -1).mean(-1) for g in gradients)
  lengths = jnp.sqrt(squares / len(gradients) + 1e-12)
  average = view.state.length
  average = average + settings.decay * (jax.lax.stop_gradient(view.mean(lengths)) - average)
  return jnp.square(lengths - average), State(average)
