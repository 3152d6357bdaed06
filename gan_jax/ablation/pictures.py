"""What a page shows of a run's sample grids: strips over training, the last grid, real images."""

import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_jax import build, pages
from gan_jax.errors import UserError
from gan_jax.workdir import record

_MOMENTS, _LATENTS = 6, 8  # rows and columns of a strip
_WIDTH = 260  # pixels on the page, of small pictures


class Picture(NamedTuple):
  """A picture of a page.

  Attributes:
    address: that holds it.
    alt: what it shows, for whoever cannot see it.
    caption: below it.
    width: on the page, pixels.
    height: on the page, pixels.
  """

  address: str
  alt: str
  caption: str
  width: int
  height: int


def strip(workdir: str, caption: str) -> Picture | None:
  """Samples of fixed latents over training; None where there are no grids.

  Latents are spread over the grid, so that classes are shown where its rows are classes.
  """
  grids = record.sample_grids(workdir)
  size = _image_size(workdir)
  if not grids or size is None:
    return None
  picked = [grids[i] for i in np.unique(np.linspace(0, len(grids) - 1, _MOMENTS).astype(int))]
  rows = []
  for _, path in picked:
    pixels = _read(path)
    tiles = _tiles(pixels, *size)
    places = np.unique(np.linspace(0, len(tiles) - 1, _LATENTS).astype(int))
    rows.append(np.concatenate([tiles[place] for place in places], axis=1))
  shown = ', '.join(f'{images:,}' for images, _ in picked)
  return _picture(
    np.concatenate(rows), f'samples of {caption} at {shown} images, from above', caption
  )


def last_grid(workdir: str, caption: str) -> Picture | None:
  """The newest sample grid; None where there is none."""
  grids = record.sample_grids(workdir)
  if not grids:
    return None
  images, path = grids[-1]
  return _picture(_read(path), f'sample grid of {caption}', f'{caption}, {images:,} images')


def reals(workdir: str) -> Picture | None:
  """The grid of real images; None where there is none."""
  path = pathlib.Path(workdir) / 'samples' / 'reals.png'
  if not path.is_file():
    return None
  return _picture(_read(path), 'grid of real images', 'real images')


def _image_size(workdir: str) -> tuple[int, int] | None:
  try:
    return build.image_size(record.load_config(workdir))
  except UserError:
    return None


def _read(path: str | pathlib.Path) -> np.ndarray:
  with Image.open(path) as image:
    pixels = np.asarray(image.convert('L' if image.mode == 'L' else 'RGB'))
  return pixels if pixels.ndim == 3 else pixels[..., None]


def _tiles(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
  """A grid's images, `[N, H, W, C]`."""
  rows, columns = pixels.shape[0] // height, pixels.shape[1] // width
  cut = pixels[: rows * height, : columns * width]
  tiles = cut.reshape(rows, height, columns, width, -1).transpose(0, 2, 1, 3, 4)
  return tiles.reshape(rows * columns, height, width, -1)


def _picture(pixels: np.ndarray, alt: str, caption: str) -> Picture:
  height, width = pixels.shape[:2]
  scale = max(1.0, _WIDTH / width)
  return Picture(pages.picture(pixels), alt, caption, round(width * scale), round(height * scale))
