"""All that a training step reads and writes: data only, no functions."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from gan_jax.runtime.tree import PyTree
from gan_jax.training import precision

if TYPE_CHECKING:
  from gan_jax.training.recipe import Recipe


class Player(flax.struct.PyTreeNode):
  """One network in training.

  Attributes:
    params: weights.
    mutable: collections that a forward pass updates (`batch_stats`); empty where there are none.
    opt_state: of its optimiser.
  """

  params: PyTree
  mutable: PyTree
  opt_state: optax.OptState


class TrainState(flax.struct.PyTreeNode):
  """The whole of a run at one step: what a checkpoint holds.

  Attributes:
    step: updates done, int32 scalar.
    images: real images shown to the discriminator: what schedules, lengths and intervals count,
      also where the batch size changes on the way. The 32 bits of a number without a sign in an
      int32 scalar, see `shown` and `images_of`.
    rng: key data of the run's random stream, uint32 `[2]`; steps fold into it, and it changes only
      where a run was rolled back, see `redrawn`.
    generator: the generator in training.
    discriminator: the discriminator in training.
    ema: moving average of the generator's variables (`params` and mutable collections): what
      sampling and scores use. Its `params` may be bfloat16, see `precision`.
    regularisers: states of those that have one, by name.
    augmentation: state of the controller of its strength; empty where there is none.
  """

  step: jax.Array
  images: jax.Array
  rng: jax.Array
  generator: Player
  discriminator: Player
  ema: PyTree
  regularisers: dict[str, PyTree]
  augmentation: PyTree


def variables_of(player: Any) -> PyTree:
  """A player's weights and collections out of a checkpoint, dicts all of it, or out of a state."""
  if isinstance(player, Player):
    return {'params': player.params, **player.mutable}
  return {'params': player['params'], **(player.get('mutable') or {})}


def shown(state: TrainState) -> jax.Array:
  """Images shown so far, float32: what schedules take, to one part in 2²⁴."""
  return jax.lax.bitcast_convert_type(state.images, jnp.uint32).astype(jnp.float32)


def images_of(state: TrainState) -> int:
  """Images shown so far, of a state on the host, exactly."""
  return int(np.asarray(state.images).astype(np.uint32))


def redrawn(state: TrainState, number: int) -> TrainState:
  """A state on the host with another random stream in place of its own, by a number."""
  key = jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(state.rng)), number)
  return state.replace(rng=jax.device_get(jax.random.key_data(key)))


@functools.cache
def initializer(recipe: 'Recipe') -> Callable[[jax.Array], TrainState]:
  """Makes the compiled function from a key to the state of step 0; the key decides the whole run.

  One program rather than operation by operation, and one for the same recipe: its shapes and its
  values come from a single tracing.
  """
  generator, discriminator = recipe.generator, recipe.discriminator

  @jax.jit
  def make(key: jax.Array) -> TrainState:
    g_key, d_key, run_key = jax.random.split(key, 3)
    labels = jnp.zeros((1,), jnp.int32)
    latents = jnp.zeros((1, generator.latent_size))
    g_variables, images = _init(generator, g_key, latents, labels)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape), images)
    d_variables, _ = _init(discriminator, d_key, zeros, labels)
    g_player = _player(g_variables, recipe.generator_tx)
    return TrainState(
      step=jnp.zeros((), jnp.int32),
      images=jnp.zeros((), jnp.int32),
      rng=jax.random.key_data(run_key),
      generator=g_player,
      discriminator=_player(d_variables, recipe.discriminator_tx),
      ema={
        'params': precision.rounded_tree(g_player.params, run_key, recipe.ema_precision),
        **g_player.mutable,
      },
      regularisers={
        r.name: r.module.initial_state(r.settings) for r in recipe.regularisers if r.stateful
      },
      augmentation=recipe.augmentation.initial_state(),
    )

  return make


def _init(module: nn.Module, key: jax.Array, x: PyTree, labels: jax.Array) -> tuple[PyTree, PyTree]:
  """A network's first variables and its result, of which only the shape is looked at."""
  result, variables = module.init_with_output(key, x, labels, train=False)
  return variables, result


def _player(variables: PyTree, tx: optax.GradientTransformation) -> Player:
  mutable = dict(variables)
  params = mutable.pop('params')
  return Player(params=params, mutable=mutable, opt_state=tx.init(params))
