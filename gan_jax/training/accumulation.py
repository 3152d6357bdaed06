"""Gradients of a batch out of its parts, one after the other: less memory for the same result."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree


def accumulated(
  gradient: Callable[..., tuple[PyTree, PyTree]], parts: int, *examples: PyTree
) -> tuple[PyTree, PyTree]:
  """Runs a function over parts of a batch and averages its result.

  Args:
    gradient: of examples, returns what is averaged and what is taken from the last part.
    parts: a divisor of the examples; 1 calls the function as it is.
    *examples: trees of `[B, ...]`.
  """
  if parts == 1:
    return gradient(*examples)
  cut = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), examples)
  shapes = jax.eval_shape(gradient, *jax.tree.map(lambda x: x[0], cut))
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes[0])

  def add(total: PyTree, part: Any) -> tuple[PyTree, PyTree]:
    averaged, last = gradient(*part)
    return jax.tree.map(lambda t, x: t + x / parts, total, averaged), last

  total, others = jax.lax.scan(add, zeros, cut)
  return total, jax.tree.map(lambda x: x[-1], others)
