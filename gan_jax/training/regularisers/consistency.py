"""What the consistency regularisers share: the change of images that must not matter."""

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree


def moved(keys: jax.Array, images: PyTree, share: float, flip: bool) -> PyTree:
  """Mirrors each image with probability ½ and shifts it by whole pixels, reflecting the border.

  Args:
    keys: one an image, `[B]`.
    images: `[B, H, W, C]`, or a tree of such.
    share: longest shift, of the side.
    flip: mirror at all.
  """

  def one(key: jax.Array, image: jax.Array) -> jax.Array:
    mirror, *along = jax.random.split(key, 3)
    if flip:
      image = jnp.where(jax.random.bernoulli(mirror), image[:, ::-1], image)
    most = [int(share * side) for side in image.shape[:2]]
    widths = [(m, m) for m in most] + [(0, 0)]
    padded = jnp.pad(image, widths, mode='reflect')
    start = [jax.random.randint(k, (), 0, 2 * m + 1) for k, m in zip(along, most, strict=True)]
    return jax.lax.dynamic_slice(padded, (*start, 0), image.shape)

  return jax.tree.map(lambda x: jax.vmap(one)(keys, x), images)
