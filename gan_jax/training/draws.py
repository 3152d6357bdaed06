"""Random draws that belong to a consumer by name, and to an example's place in the global batch.

However the batch is divided over devices, the example at a place draws the same; adding a consumer
does not change what the others draw.
"""

import zlib

import jax
import jax.numpy as jnp


def named(key: jax.Array, name: str) -> jax.Array:
  """The key of a consumer, by its name."""
  return jax.random.fold_in(key, zlib.crc32(name.encode()))


def per_example(key: jax.Array, places: jax.Array) -> jax.Array:
  """A key for each place, `[B]`."""
  return jax.vmap(lambda place: jax.random.fold_in(key, place))(places)


def draw_latents(key: jax.Array, places: jax.Array, size: int) -> jax.Array:
  """Draws z ~ N(0, I), `[B, size]`; each row depends on the key and its own place alone."""
  return jax.vmap(lambda key: jax.random.normal(key, (size,)))(per_example(key, places))


def places(count: int, axis_name: str | None) -> jax.Array:
  """The places of this device's examples in the global batch, `[count]`."""
  index = 0 if axis_name is None else jax.lax.axis_index(axis_name)
  return index * count + jnp.arange(count)
