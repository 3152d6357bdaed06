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
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

  def add(so_far: tuple[PyTree, PyTree], part: Any) -> tuple[tuple[PyTree, PyTree], None]:
    averaged, last = gradient(*part)
    return (jax.tree.map(lambda t, x: t + x / parts, so_far[0], averaged), last), None

  # The last is carried rather than stacked: there may be weights in it that nothing changes.
  found, _ = jax.lax.scan(add, zeros, cut)
  return found
