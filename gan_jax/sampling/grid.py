"""Images laid out for the eye, and written."""

import contextlib
import io
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np
from PIL import Image

from gan_jax.data.ingest import fit
from gan_jax.data.source import ImageDataset
from gan_jax.sampling import about
from gan_jax.sampling.about import Recipe

# Labels read for a grid of real images: enough to find rare classes, few enough to be quick.
_LOOKED_THROUGH = 20_000
_MOST_SIDE = 4096  # pixels of a grid: what browsers and viewers show at once
_LEAST_CELL = 256  # pixels that the shorter side of an image in it keeps


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
  """Lays out images for the eye, scaled to `cell` where they are large; see `laid_out`."""
  return laid_out(scaled(images, cell(images.shape[1:3], len(images), columns)), columns)


def cell(size: tuple[int, ...], count: int, columns: int) -> tuple[int, int]:
  """Height and width that an image has in a grid for the eye.

  A grid has at most 4,096 pixels a side, or images of which the shorter side is 256.

  Args:
    size: height and width of the image.
    count: images of the grid.
    columns: of the grid.
  """
  height, width = size
  share = _MOST_SIDE / max(height * math.ceil(count / columns), width * columns)
  share = min(1.0, max(share, _LEAST_CELL / min(size)))
  return int(height * share), int(width * share)


def scaled(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Scales images `[N, H, W, C]` to height and width, antialiased, uint8; as they are at theirs."""
  if images.shape[1:3] == size:
    return images
  return np.stack([fit.fit(_upper(image), size, 'stretch') for image in images])


def laid_out(images: np.ndarray, columns: int, background: int = 0) -> np.ndarray:
  """Lays out images as they are: `[N, H, W, C]` to `[rows * H, columns * W, 1 or 3]`, uint8.

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
  images = _upper(images)
  if images.shape[-1] != 4:
    return images
  H, W = images.shape[1:3]
  square = max(1, min(H, W) // 8)
  y, x = np.indices((H, W)) // square
  board = np.where((x + y) % 2, 204.0, 255.0)[..., None]
  seen = np.empty((*images.shape[:3], 3), np.uint8)
  for image, place in zip(images, seen, strict=True):  # floats of all may be gigabytes
    alpha = image[..., 3:] / 255
    place[...] = np.round(image[..., :3] * alpha + board * (1 - alpha))
  return seen


def _upper(images: np.ndarray) -> np.ndarray:
  """The upper 8 of 16 bits; uint8 as it is."""
  return (images >> 8).astype(np.uint8) if images.dtype == np.uint16 else images


def save_grid(path: str, images: np.ndarray, columns: int, beside: Sequence[int]) -> np.ndarray:
  """Writes a grid of images, and some of them in full size where the grid shows them smaller.

  Args:
    path: FILE.png.
    images: `[N, H, W, C]`.
    columns: of the grid.
    beside: places of those that are written as `FILE/<place>.png`, in their own depth.

  Returns:
    The grid.
  """
  picture = grid(images, columns)
  if cell(images.shape[1:3], len(images), columns) != images.shape[1:3]:
    folder = folder_beside(path)
    os.makedirs(folder, exist_ok=True)
    for place in beside:
      save_image(os.path.join(folder, f'{place:03d}.png'), images[place])
  save_image(path, picture)  # last: where it is, all is
  return picture


def folder_beside(path: str) -> str:
  """Where the images of a grid FILE.png are in full size."""
  name, ending = os.path.splitext(path)
  return name if ending else f'{path}_full'


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
  # zlib's strategy for PNG: of large images a third of the time, the size nearly the same.
  Image.fromarray(np.ascontiguousarray(pixels)).save(
    file, 'PNG', compress_type=zlib.Z_RLE, pnginfo=about.png(recipe) if recipe else None
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
