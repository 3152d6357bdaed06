"""What the operations of ADA have in common: each fires for an image on its own, or is idle."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_NUMBERS = 64  # that a draw may have as its name
_INTEGERS = 4  # of which a drawn integer is one, or that of a divisor of it


class Draws(NamedTuple):
  """The draws of one image, each under a number of its own.

  Those of all numbers are made at once: one by one they are half of the operations that there are
  to compile in a small step.

  Attributes:
    key: of the image.
    strength: p, 0 to 1.
    uniforms: U[0, 1), two of each number, `[64, 2]`.
    normals: N(0, 1), two of each number, `[64, 2]`.
    integers: 0 to 3, one of each number, `[64]`.
  """

  key: jax.Array
  strength: jax.Array
  uniforms: jax.Array
  normals: jax.Array
  integers: jax.Array

  def uniform(self, number: int) -> jax.Array:
    """U[−1, 1)."""
    return self.uniform_pair(number)[0]

  def uniform_pair(self, number: int) -> jax.Array:
    """U[−1, 1), `[2]`; the first is the number's one."""
    return 2 * _row(self.uniforms, number) - 1

  def integer(self, number: int, count: int) -> jax.Array:
    """One of 0 to count − 1, as float32; count divides 4."""
    if _INTEGERS % count:
      raise ValueError(f'count={count}: accepted: what divides {_INTEGERS}')
    return (_row(self.integers, number) % count).astype(jnp.float32)

  def normal(self, number: int) -> jax.Array:
    """N(0, 1)."""
    return self.normal_pair(number)[0]

  def normal_pair(self, number: int) -> jax.Array:
    """N(0, 1), `[2]`; the first is the number's one."""
    return _row(self.normals, number)

  def noise(self, number: int, shape: tuple[int, ...]) -> jax.Array:
    """N(0, 1) of any shape."""
    return jax.random.normal(jax.random.fold_in(self.key, number), shape)

  def where_fired(
    self,
    number: int,
    multiplier: float,
    value: jax.Array,
    idle: float,
    strength: jax.Array | None = None,
  ) -> jax.Array:
    """The value with probability multiplier · p, else the one that does nothing."""
    p = self.strength if strength is None else strength
    return jnp.where(_row(self.uniforms, number)[0] < multiplier * p, value, idle)


def draw(key: jax.Array, strength: jax.Array) -> Draws:
  """The draws of one image, by its key and p."""
  keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(_NUMBERS))
  return Draws(
    key,
    strength,
    jax.vmap(lambda key: jax.random.uniform(key, (2,)))(keys),
    jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys),
    jax.vmap(lambda key: jax.random.randint(key, (), 0, _INTEGERS))(keys),
  )


def _row(table: jax.Array, number: int) -> jax.Array:
  """What is the number's own; beyond the last JAX would give the last one's."""
  if not 0 <= number < _NUMBERS:
    raise IndexError(f'number={number}: accepted: 0 to {_NUMBERS - 1}')
  return table[number]
