"""A player's forward pass and its update."""

import functools

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gan_jax.runtime.tree import PyTree
from gan_jax.training.state import Player
from gan_jax.training.vectors import global_norm

Metrics = dict[str, jax.Array]


# Compiled in itself for the sake of its cache: the discriminator runs several times a step on the
# same shapes, and is traced once.
@functools.partial(jax.jit, static_argnums=(0, 5), inline=True)
def apply(
  module: nn.Module,
  params: PyTree,
  mutable: PyTree,
  x: PyTree,
  labels: jax.Array,
  method: str | None = None,
) -> tuple[PyTree, PyTree]:
  """Runs a network in training; returns its result and its updated mutable collections."""
  result, updated = module.apply(
    {'params': params, **mutable}, x, labels, train=True, mutable=list(mutable), method=method
  )
  return result, dict(updated)


def descend(
  player: Player, grads: PyTree, tx: optax.GradientTransformation, shown: jax.Array
) -> tuple[Player, Metrics]:
  """One optimiser update.

  Args:
    player: before it.
    grads: averaged over the devices.
    tx: its optimiser.
    shown: images shown so far.

  Returns:
    The player, and `grad_norm`, the global norm of the gradient, with `update_ratio`, the norm of
    the update over that of the weights.
  """
  tx = optax.with_extra_args_support(tx)
  updates, opt_state = tx.update(grads, player.opt_state, player.params, shown=shown)
  params = optax.apply_updates(player.params, updates)
  metrics = {
    'grad_norm': global_norm(grads),
    'update_ratio': global_norm(updates) / jnp.maximum(global_norm(player.params), 1e-12),
  }
  return player.replace(params=params, opt_state=opt_state), metrics


def finite(*values: jax.Array) -> jax.Array:
  """1 where all scalars are finite, else 0."""
  return jnp.isfinite(jnp.stack(values)).all().astype(jnp.float32)
