"""State in half the bytes: bfloat16, rounded at random.

An average moves by a small share of its distance to what is new, often less than half the step from
one number of bfloat16 to the next: rounded to the nearest it would stay where it is. Rounded up or
down with the probabilities that keep its mean (Gupta et al. 2015, arXiv:1502.02551, Section 3), it
moves as in float32, with noise of 2⁻⁸ of its size at most.
"""

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree

PRECISIONS = ('float32', 'bfloat16')


def rounded(x: jax.Array, key: jax.Array, precision: str) -> jax.Array:
  """float32 in another precision; to bfloat16 up or down at random, with `x` as its mean."""
  if precision == 'float32':
    return x
  # The lower 16 bits are what bfloat16 does not hold: they carry as often as they are large.
  bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
  bits += jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.uint32)
  moved = jax.lax.bitcast_convert_type(bits & jnp.uint32(0xFFFF0000), jnp.float32)
  return jnp.where(jnp.isfinite(x), moved, x).astype(jnp.bfloat16)


def rounded_tree(tree: PyTree, key: jax.Array, precision: str) -> PyTree:
  """The same of each leaf, each with draws of its own."""
  if precision == 'float32':
    return tree
  leaves, structure = jax.tree.flatten(tree)
  made = [rounded(x, jax.random.fold_in(key, n), precision) for n, x in enumerate(leaves)]
  return jax.tree.unflatten(structure, made)


def float32(tree: PyTree) -> PyTree:
  """A tree with all that is bfloat16 as float32, exactly."""
  return jax.tree.map(lambda x: x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x, tree)
