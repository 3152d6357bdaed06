"""Trees of arrays: weights, gradients, states."""

from typing import Any

PyTree = Any
"""Arrays in nested dicts, lists, tuples and structs, as `jax.tree` walks them."""
