"""Brings pixels to the size and the channels of a dataset."""

import numpy as np
from PIL import Image

FITS = ('crop', 'pad', 'stretch')
# In order of what they hold: what one dataset needs is the last that any of its images has.
KINDS = ('grey', 'grey16', 'rgb', 'rgba')
MODES = {1: 'L', 3: 'RGB', 4: 'RGBA'}  # of Pillow's, by the number of channels
CHANNELS = {'grey': 1, 'grey16': 1, 'rgb': 3, 'rgba': 4}


def kind_of(pixels: np.ndarray) -> str:
  """Which of `KINDS` an image `[H, W, C]` is."""
  if pixels.shape[-1] == 1:
    return 'grey16' if pixels.dtype == np.uint16 else 'grey'
  return 'rgb' if pixels.shape[-1] == 3 else 'rgba'


def fit(pixels: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
  """Scales `[H, W, C]` to `size` (height, width), antialiased bicubic.

  Args:
    pixels: uint8, or uint16 of one channel.
    size: height and width of the result.
    how: `crop` cuts the largest centred part of that shape out; `pad` keeps the whole image, on
      black (or, where it has alpha, on nothing); `stretch` changes the shape.
  """
  H, W = pixels.shape[:2]
  height, width = size
  if pixels.shape[:2] == size:
    return pixels
  box = (0.0, 0.0, float(W), float(H))
  target = size
  if how == 'crop':
    scale = min(W / width, H / height)
    # Rounding may give -1e-16, which Pillow refuses.
    left, top = max(0.0, (W - scale * width) / 2), max(0.0, (H - scale * height) / 2)
    if scale == 1:  # whole pixels, so that nothing is interpolated
      left, top = left // 1, top // 1
    box = (left, top, min(W, left + scale * width), min(H, top + scale * height))
  elif how == 'pad':
    scale = max(W / width, H / height)
    target = (max(1, round(H / scale)), max(1, round(W / scale)))
  scaled = _resize(pixels, target, box)
  if target == size:
    return scaled
  whole = np.zeros((*size, pixels.shape[-1]), pixels.dtype)
  top, left = (height - target[0]) // 2, (width - target[1]) // 2
  whole[top : top + target[0], left : left + target[1]] = scaled
  return whole


def _resize(
  pixels: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
  grey = pixels.shape[-1] == 1
  flat = pixels[..., 0] if grey else pixels
  # Pillow scales 16 bits in no mode of integers.
  deep = pixels.dtype == np.uint16
  image = Image.fromarray(flat.astype(np.float32) if deep else flat)
  scaled = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, box=box))
  if deep:
    scaled = np.rint(scaled.clip(0, 65535)).astype(np.uint16)
  return scaled[..., None] if grey else scaled


def convert(pixels: np.ndarray, kind: str) -> np.ndarray:
  """Brings `[H, W, C]` to another of `KINDS`.

  Grey from colour is its luma (ITU-R BT.601); what has to lose its alpha is shown over white.
  """
  found = kind_of(pixels)
  if found == kind:
    return pixels
  if found == 'grey16' and kind != 'grey16':
    pixels = np.rint(pixels / 257).astype(np.uint8)
    found = 'grey'
  if found == 'rgba' and kind != 'rgba':
    alpha = pixels[..., 3:] / 255
    pixels = np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    found = 'rgb'
  if kind in ('grey', 'grey16'):
    if found == 'rgb':
      pixels = np.asarray(Image.fromarray(pixels).convert('L'))[..., None]
    return pixels.astype(np.uint16) * 257 if kind == 'grey16' else pixels
  if found == 'grey':
    pixels = np.repeat(pixels, 3, axis=-1)
  if kind == 'rgba':
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    pixels = np.concatenate([pixels[..., :3], opaque], axis=-1)
  return pixels


def common_kind(kinds: set[str]) -> str:
  """What holds images of all these kinds; 16 bits are kept where all are grey."""
  if kinds <= {'grey', 'grey16'}:
    return max(kinds, key=KINDS.index)
  return 'rgba' if 'rgba' in kinds else 'rgb'
