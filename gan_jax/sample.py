"""Images out of a trained generator."""

import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from PIL import Image

from gan_jax import parallel
from gan_jax.data.source import ImageDataset
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.ops import pixels
from gan_jax.state import PyTree
from gan_jax.steps import draw_latents

# Labels read for a grid of real images: enough to find rare classes, few enough to be quick.
_LOOKED_THROUGH = 20_000


class Sampler:
  """Draws images from a generator; image i of a seed is the same however many are drawn."""

  def __init__(self, generator: nn.Module, batch_size: int, dtype: np.dtype):
    """Compiles nothing yet.

    Args:
      generator: module `(latents, labels, train) -> images` in [-1, 1].
      batch_size: images at once, over all local devices.
      dtype: of the images, uint8 or uint16, as those that it was trained on.
    """
    self._generator, self._dtype = generator, dtype
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
      truncation: factor on the latents, 1: as trained, 0: the mean latent. Draws samples towards
        the middle of the distribution: less variety for more typical images.
      first: place of the first image among those of the seed; several hosts each draw a part.

    Raises:
      NonFiniteError: for images with pixels that are not numbers.
    """
    rows = _rows(labels, seed, first, truncation)
    return _checked(self._run(parallel.replicate(variables), *rows))

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
    return _checked(self._run_pairs(parallel.replicate(variables), *rows))

  def _generate(
    self, variables: PyTree, keys: jax.Array, places: jax.Array, labels: jax.Array, scale: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    key = jax.random.wrap_key_data(keys[0])
    latents = draw_latents(key, places, self._generator.latent_size) * scale[:, None]
    images = self._generator.apply(variables, latents, labels, train=False)
    return pixels.from_model(images, self._dtype), _finite(images)  # type: ignore[arg-type]

  def _generate_pairs(
    self, variables: PyTree, keys: jax.Array, places: jax.Array, labels: jax.Array, step: jax.Array
  ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    size = self._generator.latent_size
    *ends, along = jax.random.split(jax.random.wrap_key_data(keys[0]), 3)
    start, end = (draw_latents(key, places, size) for key in ends)
    t = jax.vmap(lambda place: jax.random.uniform(jax.random.fold_in(along, place)))(places)
    latents = jnp.concatenate([slerp(start, end, t), slerp(start, end, t + step)])
    # GPUs and TPUs default to less than float32, in which the images of a pair are the same.
    with jax.default_matmul_precision('float32'):
      images: Any = self._generator.apply(variables, latents, jnp.tile(labels, 2), train=False)
    first, second = jnp.split(images, 2)
    return (pixels.unrounded(first), pixels.unrounded(second)), _finite(first) & _finite(second)


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


def _finite(images: jax.Array) -> jax.Array:
  return jnp.isfinite(images).all(axis=(1, 2, 3))


def _checked(batches: Iterable[tuple[Any, np.ndarray]]) -> Iterator[Any]:
  """Passes batches on; rounded to integers, pixels that are not numbers would be black."""
  for images, finite in batches:
    if not finite.all():
      raise NonFiniteError(
        f'the generator made {np.sum(~finite)} of {len(finite)} images with NaN or infinite pixels'
      )
    yield images


def grid_labels(num_classes: int, rows: int, columns: int) -> np.ndarray:
  """Labels of a grid, row by row: one row a class, or zeros without classes."""
  if not num_classes:
    return np.zeros(rows * columns, np.int32)
  return np.repeat(np.arange(min(rows, num_classes), dtype=np.int32), columns)


def reals(dataset: ImageDataset, labels: np.ndarray | None, count: int) -> np.ndarray:
  """Picks real images `[count, H, W, C]` for a grid that stands beside one of generated images.

  Args:
    dataset: picked from, its first images first.
    labels: class of each, `[count]`, or None for any. A class without images stays black.
    count: of the images.
  """
  if labels is None:
    return dataset.fetch(np.arange(count) % len(dataset))['image']
  found = dataset.labels(np.arange(min(len(dataset), _LOOKED_THROUGH)))
  images = np.zeros((count, *dataset.shape), dataset.dtype)
  for label in np.unique(labels):
    rows, places = np.flatnonzero(found == label), np.flatnonzero(labels == label)
    if len(rows):
      images[places] = dataset.fetch(rows[np.arange(len(places)) % len(rows)])['image']
  return images


def grid(images: np.ndarray, columns: int) -> np.ndarray:
  """Lays out images for the eye: `[N, H, W, C]` to `[rows * H, columns * W, 1 or 3]`, uint8.

  Of 16 bits the upper 8 are shown, transparency over a checkerboard, what is left over is black.
  """
  images = _opaque(images)
  N, H, W, C = images.shape
  rows = math.ceil(N / columns)
  filled = np.zeros((rows * columns, H, W, C), np.uint8)
  filled[:N] = images
  return (
    filled.reshape(rows, columns, H, W, C)
    .transpose(0, 2, 1, 3, 4)
    .reshape(rows * H, columns * W, C)
  )


def _opaque(images: np.ndarray) -> np.ndarray:
  """Maps `[N, H, W, C]` of any type to uint8 of one or three channels."""
  if images.dtype == np.uint16:
    images = (images >> 8).astype(np.uint8)
  if images.shape[-1] != 4:
    return images
  H, W = images.shape[1:3]
  square = max(1, min(H, W) // 8)
  y, x = np.indices((H, W)) // square
  board = np.where((x + y) % 2, 204.0, 255.0)[..., None]
  alpha = images[..., 3:] / 255
  return np.round(images[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)


def save_image(path: str, image: np.ndarray) -> None:
  """Writes `[H, W, C]`, C of 1, 3 or 4, as PNG of its own depth; a reader never sees a part."""
  temporary = f'{path}.{os.getpid()}.tmp'
  pixels = image[:, :, 0] if image.shape[-1] == 1 else image
  Image.fromarray(pixels).save(temporary, format='PNG')
  os.replace(temporary, path)


def parse_classes(text: str, num_classes: int) -> list[int]:
  """Reads `0,1,2`; '' means every class.

  Raises:
    UserError: for anything but classes of the model.
  """
  if not text:
    return list(range(num_classes)) if num_classes else [0]
  if not num_classes:
    raise UserError(f'--classes={text}: the model is unconditional; leave --classes out')
  try:
    classes = [int(part) for part in text.split(',')]
  except ValueError:
    classes = [-1]
  if not all(0 <= c < num_classes for c in classes):
    raise UserError(
      f'--classes={text}: accepted are numbers from 0 to {num_classes - 1}, separated by commas'
    )
  return classes


def write_samples(
  sampler: Sampler,
  variables: PyTree,
  *,
  count: int,
  classes: list[int],
  seed: int,
  truncation: float,
  out: str,
) -> None:
  """Writes a grid where `out` ends in .png, else one PNG an image, `<index>_<class>.png`.

  A grid of several classes has a row for each; the images go through the classes in turn.

  Raises:
    UserError: for arguments out of range or a place that cannot be written.
  """
  if count < 1:
    raise UserError(f'--count={count}: must be at least 1')
  as_grid = out.lower().endswith('.png')
  labels = np.array([classes[i % len(classes)] for i in range(count)], np.int32)
  columns = math.ceil(math.sqrt(count))
  if as_grid and len(classes) > 1:
    labels = np.sort(labels, kind='stable')
    columns = math.ceil(count / len(classes))
  try:
    os.makedirs(os.path.dirname(out) or '.' if as_grid else out, exist_ok=True)
    index = 0
    kept = []
    for images in sampler.draw(variables, labels, seed, truncation):
      if as_grid:
        kept.append(images)
        continue
      for image in images:
        save_image(os.path.join(out, f'{index:06d}_{labels[index]}.png'), image)
        index += 1
    if as_grid:
      save_image(out, _class_rows(np.concatenate(kept), labels, columns))
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error


def _class_rows(images: np.ndarray, labels: np.ndarray, columns: int) -> np.ndarray:
  """A grid in which every class begins a row."""
  present = list(dict.fromkeys(labels.tolist()))
  if len(present) == 1:
    return grid(images, columns)
  rows = []
  for label in present:
    row = images[labels == label]
    blank = np.zeros((columns - len(row), *row.shape[1:]), row.dtype)
    rows.append(np.concatenate([row, blank]))
  return grid(np.concatenate(rows), columns)
