"""Draws images from a generator, batch by batch, over the local devices."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.ops import pixels
from gan_jax.runtime import parallel
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.programs import checked, finite, generate, images_at_once
from gan_jax.training.draws import draw_latents


class Sampler:
  """Draws images from a generator; image i of a seed is the same however many are drawn."""

  def __init__(self, generator: nn.Module, batch_size: int, dtype: np.dtype):
    """Compiles nothing yet.

    Args:
      generator: module `(latents, labels, train) -> images` in [-1, 1].
      batch_size: images at once, over all local devices; fewer of large ones.
      dtype: of the images, uint8 or uint16, as those that it was trained on.
    """
    self._generator, self._dtype = generator, dtype
    batch_size = images_at_once(generator, batch_size)
    self._run = parallel.map_batches(self._generate, batch_size)
    self._run_pairs = parallel.map_batches(self._generate_pairs, batch_size)

  def draw(
    self,
    variables: PyTree,
    labels: np.ndarray,
    seed: int,
    truncation: float = 1.0,
    first: int = 0,
  ) -> Iterator[np.ndarray]:
    """Yields images `[b, H, W, C]`, batch by batch, one for each label.

    Args:
      variables: the generator's, on the host.
      labels: classes, int32 `[N]`; ignored by an unconditional generator.
      seed: of the latents.
      truncation: factor on the latents, or on the distance of w from its mean where the generator
        has `truncated`, 1: as trained, 0: the mean. Draws samples towards the middle of the
        distribution: less variety for more typical images.
      first: place of the first image among those of the seed; several hosts each draw a part.

    Raises:
      NonFiniteError: for images with pixels that are not numbers.
    """
    rows = _rows(labels, seed, first, truncation)
    return checked(self._run(parallel.replicate(variables), *rows))

  def draw_pairs(
    self, variables: PyTree, labels: np.ndarray, seed: int, epsilon: float, first: int = 0
  ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields images at two points of a path between latents, for `metrics.path_length`.

    The points are slerp(z₁, z₂; t) and slerp(z₁, z₂; t + epsilon) with z₁ and z₂ ~ N(0, I) and
    t ~ U(0, 1).

    Args:
      variables: the generator's, on the host.
      labels: classes of both images of each pair, int32 `[N]`.
      seed: of the latents; a pair depends on it and on its own place alone.
      epsilon: distance of the points.
      first: place of the first pair, as of the images of `draw`.

    Yields:
      Two arrays `[b, H, W, C]`, float32 on the scale 0..255, clipped to it but not rounded: the
      images of a pair differ by less than a level.

    Raises:
      NonFiniteError: for images with pixels that are not numbers.
    """
    rows = _rows(labels, seed, first, epsilon)
    return checked(self._run_pairs(parallel.replicate(variables), *rows))

  def _generate(
    self, variables: PyTree, keys: jax.Array, places: jax.Array, labels: jax.Array, scale: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    key = jax.random.wrap_key_data(keys[0])
    latents, generator = draw_latents(key, places, self._generator.latent_size), self._generator
    images = generate(generator, variables, latents, labels, scale)
    return pixels.from_model(images, self._dtype), finite(images)

  def _generate_pairs(
    self, variables: PyTree, keys: jax.Array, places: jax.Array, labels: jax.Array, step: jax.Array
  ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    size, generator = self._generator.latent_size, self._generator
    if hasattr(generator, 'fixed_noise'):  # images of a pair differ by their latents alone
      generator = generator.clone(fixed_noise=True)
    *ends, along = jax.random.split(jax.random.wrap_key_data(keys[0]), 3)
    start, end = (draw_latents(key, places, size) for key in ends)
    t = jax.vmap(lambda place: jax.random.uniform(jax.random.fold_in(along, place)))(places)
    latents = jnp.concatenate([slerp(start, end, t), slerp(start, end, t + step)])
    # GPUs and TPUs default to less than float32, in which the images of a pair are the same.
    with jax.default_matmul_precision('float32'):
      images: Any = generator.apply(variables, latents, jnp.tile(labels, 2), train=False)
    first, second = jnp.split(images, 2)
    return (pixels.unrounded(first), pixels.unrounded(second)), finite(first) & finite(second)


def slerp(start: jax.Array, end: jax.Array, t: jax.Array) -> jax.Array:
  """Goes along the arc between latents `[B, z]`, at 0 <= t `[B]` <= 1 (White, arXiv:1609.04468).

  The angle grows evenly with t; where the latents have the same length, so has every point.
  """
  norm = lambda x: jnp.linalg.norm(x, axis=-1, keepdims=True)
  cosine = jnp.sum(start / norm(start) * (end / norm(end)), axis=-1, keepdims=True)
  angle, t = jnp.arccos(cosine.clip(-1, 1)), t[:, None]
  sine = jnp.sin(angle)
  straight = sine < 1e-6  # no arc is defined: latents of length 1 are on one line
  sine = jnp.where(straight, 1, sine)
  from_start = jnp.where(straight, 1 - t, jnp.sin((1 - t) * angle) / sine)
  from_end = jnp.where(straight, t, jnp.sin(t * angle) / sine)
  return from_start * start + from_end * end


def _rows(labels: np.ndarray, seed: int, first: int, factor: float) -> tuple[np.ndarray, ...]:
  """What each image is made of: key, place, label, and a factor that all share, `[N, ...]` each."""
  count = len(labels)
  keys = np.tile(np.asarray(jax.random.key_data(jax.random.key(seed))), (count, 1))
  places = np.arange(first, first + count, dtype=np.int32)
  return keys, places, labels.astype(np.int32), np.full((count,), factor, np.float32)
