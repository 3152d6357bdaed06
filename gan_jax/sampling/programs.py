"""Compiled functions of a generator, over the local devices: latents, w and images out of rows."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.errors import NonFiniteError
from gan_jax.ops import pixels
from gan_jax.runtime import parallel
from gan_jax.runtime.tree import PyTree
from gan_jax.training.draws import draw_latents

_AT_ONCE = 4096  # latents drawn in a call
_LAYERS = 4  # of the size of its images that the narrowest generator holds at once


class Programs:
  """Runs a generator row by row.

  A call of n rows runs in batches of the power of two from n on, `batch_size` at most: one image
  does not take as long as a batch, and few programs are compiled.
  """

  def __init__(self, generator: nn.Module, variables: PyTree, dtype: np.dtype, batch_size: int):
    """Compiles nothing yet.

    Args:
      generator: module `(latents, labels, train) -> images` in [-1, 1].
      variables: its own, on the host.
      dtype: of the images, uint8 or uint16.
      batch_size: images at once at most, over all local devices; fewer of large ones.
    """
    self._generator, self._dtype = generator, dtype
    self._batch_size = images_at_once(generator, batch_size)
    self._variables = parallel.replicate(variables)
    self._made: dict[tuple[str, int, bool], Callable[..., Iterator[Any]]] = {}

  def images(
    self, latents: np.ndarray, labels: np.ndarray, truncation: np.ndarray, fixed_noise: bool
  ) -> Iterator[np.ndarray]:
    """Yields images `[b, H, W, C]` of latents `[N, z]`.

    Args:
      latents: float32.
      labels: classes, int32 `[N]`, or weights of the classes, float32 `[N, num_classes]`.
      truncation: `[N]`, of each; see `Model.images`.
      fixed_noise: the same for all images, where the generator has noise.

    Raises:
      NonFiniteError: for images with pixels that are not numbers.
    """
    return checked(self._run('images', fixed_noise, latents, labels, truncation))

  def styles(
    self, latents: np.ndarray, labels: np.ndarray, truncation: np.ndarray
  ) -> Iterator[np.ndarray]:
    """Yields w of latents, `[b, (L,) w]`; see `images`."""
    return self._run('styles', False, latents, labels, truncation)

  def images_of_styles(self, w: np.ndarray) -> Iterator[np.ndarray]:
    """Yields images `[b, H, W, C]` of w `[N, (L,) w]`, with the same noise for all.

    Raises:
      NonFiniteError: for images with pixels that are not numbers.
    """
    return checked(self._run('images_of_styles', True, w))

  def _run(self, kind: str, fixed_noise: bool, *rows: np.ndarray) -> Iterator[Any]:
    count = len(rows[0])
    size = min(self._batch_size, 1 << max(0, count - 1).bit_length())
    # A program is of one shape of labels: classes or weights.
    key = (f'{kind}{[row.ndim for row in rows]}', size, fixed_noise)
    if key not in self._made:
      generator = self._generator
      if fixed_noise and hasattr(generator, 'fixed_noise'):
        generator = generator.clone(fixed_noise=True)
      function = functools.partial(getattr(self, f'_{kind}'), generator)
      self._made[key] = parallel.map_batches(function, size)
    return self._made[key](self._variables, *rows)

  def _images(
    self, generator: Any, variables: PyTree, latents: jax.Array, labels: jax.Array, share: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    return self._pixels(generate(generator, variables, latents, labels, share))

  def _styles(
    self, generator: Any, variables: PyTree, latents: jax.Array, labels: jax.Array, share: jax.Array
  ) -> Any:
    def styles(network: Any) -> Any:
      w = network.mapping(latents, labels, train=False)
      return network.truncate(w, labels, share) if hasattr(network, 'truncate') else w

    return generator.apply(variables, method=styles)

  def _images_of_styles(
    self, generator: Any, variables: PyTree, w: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    labels = jnp.zeros(w.shape[0], jnp.int32)
    return self._pixels(generator.apply(variables, w, labels, train=False, method='synthesis'))

  def _pixels(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    return pixels.from_model(images, self._dtype), finite(images)


def images_at_once(generator: Any, batch_size: int) -> int:
  """How many images a generator makes at once, of `batch_size`: fewer where they are large."""
  shape = (*np.broadcast_to(generator.resolution, 2), generator.channels)
  return parallel.images_at_once(batch_size, shape, _LAYERS)


def generate(
  generator: Any, variables: PyTree, latents: jax.Array, labels: jax.Array, share: jax.Array
) -> Any:
  """Images in [-1, 1] at a truncation `[B]`: of w where the generator has its mean, else of z."""
  if hasattr(generator, 'truncated'):
    return generator.apply(variables, latents, labels, share, method='truncated')
  return generator.apply(variables, latents * share[:, None], labels, train=False)


def finite(images: jax.Array) -> jax.Array:
  """Which images have no pixel that is not a number, `[B]`."""
  return jnp.isfinite(images).all(axis=(1, 2, 3))


def checked(batches: Iterable[tuple[Any, np.ndarray]]) -> Iterator[Any]:
  """Passes batches on; rounded to integers, pixels that are not numbers would be black.

  Raises:
    NonFiniteError: where there are such.
  """
  for images, whole in batches:
    if not whole.all():
      raise NonFiniteError(
        f'the generator made {np.sum(~whole)} of {len(whole)} images with NaN or infinite pixels'
      )
    yield images


def latents(seeds: Sequence[int], places: np.ndarray, size: int) -> np.ndarray:
  """Draws z ~ N(0, I), float32 `[N, size]`, of seeds `[N]` at places `[N]`, as training does."""
  keys = {seed: np.asarray(jax.random.key_data(jax.random.key(seed))) for seed in set(seeds)}
  rows = np.stack([keys[seed] for seed in seeds])
  return np.concatenate(
    [
      np.asarray(_drawn(rows[start : start + _AT_ONCE], places[start : start + _AT_ONCE], size))
      for start in range(0, len(rows), _AT_ONCE)
    ]
  )


@functools.partial(jax.jit, static_argnums=2)
def _drawn(keys: jax.Array, places: jax.Array, size: int) -> jax.Array:
  one = lambda key, place: draw_latents(jax.random.wrap_key_data(key), place[None], size)[0]
  return jax.vmap(one)(keys, places)


def styles_shape(generator: nn.Module, variables: PyTree) -> tuple[int, ...]:
  """Shape of one image's w."""
  network: Any = generator
  row = jnp.zeros((1, network.latent_size)), jnp.zeros((1,), jnp.int32)
  run = functools.partial(network.apply, train=False, method='mapping')
  return tuple(jax.eval_shape(run, variables, *row).shape[1:])
