"""Measures one encoded image, whatever its format, and makes a small picture of it."""

import hashlib
import io
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_jax.data.ingest.fit import MODES
from gan_jax.data.inspection import perceptual

PICTURE_SIDE = 64  # of small pictures, at most, in pixels


class Measured(NamedTuple):
  """What is measured on one image; sums are over its pixels in [0, 1], `[C]`."""

  size: tuple[int, int]
  mode: str
  transparent: bool
  animated: bool
  blank: bool
  digest: int
  total: np.ndarray
  squares: np.ndarray
  small: np.ndarray


def measure(data: bytes, channels: int) -> Measured | str:
  """Measures an encoded image, or says why it cannot be read."""
  try:
    file = Image.open(io.BytesIO(data))
    # Pillow has no deeper mode than 8 bits a colour, and reads these as such.
    deep = not file.mode.startswith('I') and ';16' in str(file.tile)
    file.load()
    image = _converted(file, channels)
  except UnidentifiedImageError:
    return 'of no format that Pillow knows'
  except Exception as error:  # broken bytes raise whatever the format's reader happens to
    return str(error) or type(error).__name__
  pixels = _array(image, channels)
  H, W, C = pixels.shape
  digest = hashlib.blake2b(f'{pixels.shape}{pixels.dtype}'.encode(), digest_size=8)
  digest.update(np.ascontiguousarray(pixels).data)
  if pixels.dtype == np.uint8:
    counts = np.stack([np.bincount(pixels[..., c].ravel(), minlength=256) for c in range(C)])
    levels = np.arange(256) / 255
    total, squares = counts @ levels, counts @ levels**2
    constant = np.count_nonzero(counts, axis=1) == 1
  else:
    total, squares = pixels.sum((0, 1), np.float64), np.square(pixels).sum((0, 1), np.float64)
    constant = pixels.min((0, 1)) == pixels.max((0, 1))
  small = image.resize((perceptual.SIDE, perceptual.SIDE), Image.Resampling.BILINEAR)
  return Measured(
    size=(H, W),
    mode=f'{file.mode} of 16 bits' if deep else file.mode,
    transparent=_transparent(file),
    animated=getattr(file, 'is_animated', False),
    blank=bool(constant.all()) or (C == 4 and total[3] == 0),
    digest=int.from_bytes(digest.digest()),
    total=total,
    squares=squares,
    small=_array(small, channels) / np.float32(255 if pixels.dtype == np.uint8 else 1),
  )


def _transparent(image: Image.Image) -> bool:
  """Whether a pixel of an image is not opaque: a channel for it says nothing."""
  if not image.has_transparency_data:
    return False
  return bool((np.asarray(image.convert('RGBA').getchannel('A')) < 255).any())


def picture(data: bytes) -> np.ndarray:
  """Decodes an image to look at: uint8 `[h, w, 4]`, RGBA, of at most `PICTURE_SIDE` pixels a side.

  Grey of 16 bits is scaled so that its darkest is black and its brightest white.
  """
  with Image.open(io.BytesIO(data)) as file:
    if file.mode.startswith('I'):
      values = np.asarray(file).astype(np.float32)
      values = 255 * (values - values.min()) / max(float(np.ptp(values)), 1.0)
      image = Image.fromarray(values.astype(np.uint8)).convert('RGBA')
    else:
      image = (file.convert('L') if file.mode == 'F' else file).convert('RGBA')
  image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
  return np.asarray(image)


def _converted(image: Image.Image, channels: int) -> Image.Image:
  """The image as the dataset reads it: L, RGB, RGBA or, of 16 bits, F with values in [0, 1]."""
  if image.mode.startswith('I'):  # Pillow's own conversion clips 16 bits at 255
    return Image.fromarray(np.asarray(image).astype(np.float32).clip(0, 65535) / 65535)
  if image.has_transparency_data:
    image = image.convert('RGBA')
  return image if image.mode == MODES[channels] else image.convert(MODES[channels])


def _array(image: Image.Image, channels: int) -> np.ndarray:
  """Pixels of a converted image, `[H, W, C]`, uint8 or float32; deep grey is repeated, opaque."""
  pixels = np.asarray(image)
  if image.mode == 'F':
    pixels = np.repeat(pixels[..., None], channels, axis=2)
    pixels[..., 3:] = 1
  return pixels.reshape(image.height, image.width, channels)
