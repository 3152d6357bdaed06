"""Where XLA may not fuse."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata


def apart(function: Callable[..., Any], static: int | tuple[int, ...] = ()) -> Callable[..., Any]:
  """Makes of a function one that XLA computes by itself: not fused with what is around it.

  Fused, XLA computes what the arguments come out of once more for each of their uses, and in the
  order of the results. A barrier does not help: XLA's CPU backend drops it before it fuses.

  Args:
    function: takes and returns trees of arrays.
    static: places of arguments that are hashable and no arrays.
  """
  compiled = jax.jit(function, static_argnums=static)

  @functools.wraps(function)
  def run(*arguments: Any) -> Any:
    with set_xla_metadata(inlineable='false'):
      return compiled(*arguments)

  return run
