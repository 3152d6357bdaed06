"""Trees of weights as one vector, laid out well on every platform.

As a vector they take a few operations to compile and to launch, however many layers there are. On a
TPU a kernel lies in tiles, and to make a part of a vector out of it is to copy it: there nothing is
laid out in line but what the optimiser's state, vectors on every platform, asks for.
"""

import functools
import itertools
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import optax

from gan_jax.ops import linear
from gan_jax.runtime.tree import PyTree


def flattened(tx: optax.GradientTransformation) -> optax.GradientTransformation:
  """An optimiser of trees out of one of a vector, of which its state is."""
  flat = optax.flatten(tx)

  def update(grads: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, Any]:
    row = functools.partial(_update_row, tx)
    return linear.by_platform(grads, state, params, tpu=row, plain=flat.update)

  return optax.GradientTransformation(flat.init, update)


def _update_row(
  tx: optax.GradientTransformation, grads: PyTree, state: Any, params: PyTree
) -> tuple[PyTree, Any]:
  """An update of vectors as rows, `[1, N]`.

  Under `parallel.pmap_step` a vector of the state has an axis of length 1 before its own: a TPU
  would copy it to take that away.
  """
  row = _row(grads)
  state = jax.tree.map(lambda x: x[None] if x.shape == row.shape[1:] else x, state)
  updates, state = tx.update(row, state, None if params is None else _row(params))
  state = jax.tree.map(lambda x: x[0] if x.shape == row.shape else x, state)
  return _parts(updates, grads), state


def _row(tree: PyTree) -> jax.Array:
  return jnp.concatenate([x.reshape(1, -1) for x in jax.tree.leaves(tree)], axis=1)


def _parts(row: jax.Array, like: PyTree) -> PyTree:
  """A row as a tree of the shapes of another."""
  leaves, structure = jax.tree.flatten(like)
  ends = itertools.accumulate((x.size for x in leaves), initial=0)
  places = itertools.pairwise(ends)
  parts = [row[:, a:b].reshape(x.shape) for (a, b), x in zip(places, leaves, strict=True)]
  return jax.tree.unflatten(structure, parts)


def global_norm(tree: PyTree) -> jax.Array:
  """The square root of the sum of squares of all values."""
  return linear.by_platform(tree, tpu=_norm_of_leaves, plain=_norm_of_vector)


def _norm_of_vector(tree: PyTree) -> jax.Array:
  # The optimiser's own vector: leaf by leaf there are hundreds of operations to compile.
  vector, _ = jax.flatten_util.ravel_pytree(tree)
  return jnp.sqrt(jnp.vdot(vector, vector))


def _norm_of_leaves(tree: PyTree) -> jax.Array:
  squares = [jnp.sum(jnp.square(x)) for x in jax.tree.leaves(tree)]
  return jnp.sqrt(functools.reduce(jnp.add, squares))
