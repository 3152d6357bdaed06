"""What the operations of ADA have in common: each fires for an image on its own, or is idle."""

import jax
import jax.numpy as jnp


class Draws:
  """The draws of one image, each under a name of its own.

  Attributes:
    strength: p, 0 to 1.
  """

  def __init__(self, key: jax.Array, strength: jax.Array):
    self._key, self.strength = key, strength

  def key(self, number: int) -> jax.Array:
    """The key of a draw."""
    return jax.random.fold_in(self._key, number)

  def uniform(self, number: int, shape: tuple[int, ...] = ()) -> jax.Array:
    """U(−1, 1)."""
    return jax.random.uniform(self.key(number), shape, minval=-1.0, maxval=1.0)

  def integer(self, number: int, count: int) -> jax.Array:
    """One of 0 to count − 1, as float32."""
    return jax.random.randint(self.key(number), (), 0, count).astype(jnp.float32)

  def normal(self, number: int, shape: tuple[int, ...] = ()) -> jax.Array:
    """N(0, 1)."""
    return jax.random.normal(self.key(number), shape)

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
    return jnp.where(jax.random.uniform(self.key(number)) < multiplier * p, value, idle)
