"""Images laid out for the eye, and written."""

import contextlib
import io
import math
import os
from collections.abc import Iterator
from typing import IO

import numpy as np
from PIL import Image

from gan_jax.data.source import ImageDataset
from gan_jax.sampling import about
from gan_jax.sampling.about import Recipe

# Labels read for a grid of real images: enough to find rare classes, few enough to be quick.
_LOOKED_THROUGH = 20_000


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


def grid(images: np.ndarray, columns: int, background: int = 0) -> np.ndarray:
  """Lays out images for the eye: `[N, H, W, C]` to `[rows * H, columns * W, 1 or 3]`, uint8.

  Of 16 bits the upper 8 are shown, transparency over a checkerboard, what is left over is black, or
  of the value `background`.
  """
  images = opaque(images)
  N, H, W, C = images.shape
  rows = math.ceil(N / columns)
  filled = np.full((rows * columns, H, W, C), background, np.uint8)
  filled[:N] = images
  return (
    filled.reshape(rows, columns, H, W, C)
    .transpose(0, 2, 1, 3, 4)
    .reshape(rows * H, columns * W, C)
  )


def enlarged(images: np.ndarray, times: int) -> np.ndarray:
  """Makes `[N, H, W, C]` so many times as large, each pixel a square."""
  return images.repeat(times, axis=1).repeat(times, axis=2)


def opaque(images: np.ndarray) -> np.ndarray:
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


def save_image(path: str, image: np.ndarray, recipe: Recipe | None = None) -> None:
  """Writes `[H, W, C]`, C of 1, 3 or 4, as PNG of its own depth; a reader never sees a part.

  Args:
    path: of the file.
    image: uint8, or uint16 of one channel.
    recipe: how it was made, for the file's metadata.
  """
  with whole_file(path) as file:
    file.write(encoded(image, recipe))


def encoded(image: np.ndarray, recipe: Recipe | None = None) -> bytes:
  """The PNG that `save_image` writes."""
  file = io.BytesIO()
  pixels = image[:, :, 0] if image.shape[-1] == 1 else image
  Image.fromarray(np.ascontiguousarray(pixels)).save(
    file, format='PNG', pnginfo=about.png(recipe) if recipe else None
  )
  return file.getvalue()


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[IO[bytes]]:
  """A file to be written, which takes its name once it is whole."""
  temporary = f'{path}.{os.getpid()}.tmp'
  try:
    with open(temporary, 'wb') as file:
      yield file
    os.replace(temporary, path)
  finally:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(temporary)
