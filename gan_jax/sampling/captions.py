"""A grid with a line of text under each image."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_jax.data.inspection import fonts
from gan_jax.sampling.grid import cell, enlarged, laid_out, opaque, scaled
from gan_jax.text import printable

_LEAST_WIDTH = 80  # pixels of a cell: a dozen letters
_SIZE, _HEIGHT = 12, 18  # of the letters and of their line, pixels


def captioned(images: np.ndarray, columns: int, captions: Sequence[str]) -> np.ndarray:
  """Lays out images `[N, H, W, C]` with a caption each, uint8 `[H, W, 1 or 3]`, black on white.

  Small images are enlarged by a whole factor, so that there is room for a text; large ones are
  scaled to `cell`.
  """
  images = scaled(images, cell(images.shape[1:3], len(images), columns))
  images = enlarged(opaque(images), -(-_LEAST_WIDTH // images.shape[2]))
  N, _, W, C = images.shape
  lines = np.full((N, _HEIGHT, W, C), 255, np.uint8)
  for line, caption in zip(lines, captions, strict=True):
    line[...] = _line(printable(caption), W)[..., None]
  return laid_out(np.concatenate([images, lines], axis=1), columns, background=255)


def _line(text: str, width: int) -> np.ndarray:
  """A line of text, grey `[height, width]`, shortened where it is too long."""
  font = _font(text)
  shown = text
  while shown and font.getlength(shown) > width - 2:
    shown = shown.removesuffix('…')[:-1] + '…' if len(shown) > 1 else ''
  image = Image.new('L', (width, _HEIGHT), 255)
  place = ((width - font.getlength(shown)) / 2, _HEIGHT // 2)
  ImageDraw.Draw(image).text(place, shown, fill=0, font=font, anchor='lm')
  return np.asarray(image)


def _font(text: str) -> ImageFont.FreeTypeFont:
  from matplotlib import font_manager  # takes a second to import

  # The first family is matplotlib's own; another one is there for letters that it lacks.
  family = fonts.families([text])[0][-1]
  return ImageFont.truetype(font_manager.findfont(family), _SIZE)
