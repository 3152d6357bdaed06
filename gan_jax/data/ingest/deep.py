"""Reads grey TIFFs deeper than 8 bits, of which Pillow knows some and reads some wrongly."""

import io
from typing import Any, NamedTuple

import numpy as np
from PIL import TiffImagePlugin

from gan_jax.data.ingest.picture import RefusedError

# TIFF's tags
BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 259, 262, 339
_ORIENTATION = 274
_STRIP_OFFSETS, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 273, 278, 322, 323, 324
# Bits, kind and photometric interpretation of a grey TIFF that OpenCV reads as it is stored.
_DEEP = {(8, 'i', 1)} | {
  (bits, kind, white_is_zero)
  for bits, kind in ((16, 'u'), (16, 'i'), (32, 'u'), (32, 'i'), (32, 'f'), (64, 'f'))
  for white_is_zero in (0, 1)
}


class GreyTiff(NamedTuple):
  """What a TIFF says of its first image.

  Attributes:
    width: in pixels.
    height: likewise.
    dtype: of its samples.
    white_is_zero: the least value is white.
    turned: it is not stored upright.
    several: others follow it.
  """

  width: int
  height: int
  dtype: np.dtype
  white_is_zero: bool
  turned: bool
  several: bool


def about(data: bytes) -> GreyTiff | None:
  """Returns what a TIFF says of itself where it is grey, and signed or deeper than 8 bits.

  Raises:
    RefusedError: for one that has not all of its parts.
  """
  try:
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    bits, kinds = tags.get(BITS, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
    photometric, width, height = (int(tags[tag]) for tag in (_PHOTOMETRIC, 256, 257))
  except Exception:  # not for us to refuse: Pillow may know better
    return None
  kind = {1: 'u', 2: 'i', 3: 'f'}.get(kinds[0])
  if len(bits) > 1 or tags.get(277, 1) != 1 or (bits[0], kind, photometric) not in _DEEP:
    return None
  _check_parts(tags, width, height, bits[0] // 8, len(data))
  turned = tags.get(_ORIENTATION) in range(2, 9)
  dtype = np.dtype(f'{kind}{bits[0] // 8}')
  return GreyTiff(width, height, dtype, photometric == 0, turned, bool(tags.next))


def _check_parts(tags: Any, width: int, height: int, item: int, length: int) -> None:
  """Raises RefusedError where strips or tiles are missing: libtiff would guess where they are."""
  if tiled := _TILE_OFFSETS in tags:
    across, down, places = tags[_TILE_WIDTH], tags[_TILE_LENGTH], tags[_TILE_OFFSETS]
  else:
    across, down = width, min(height, tags.get(_ROWS_PER_STRIP, height))
    places = tags.get(_STRIP_OFFSETS, ())
  rows = -(-height // down)
  wanted = rows * -(-width // across)
  if len(places) != wanted:
    raise RefusedError(f'broken or truncated: {len(places)} of the {wanted} parts of its pixels')
  if tags.get(_COMPRESSION, 1) == 1:
    last = down if tiled else height - (rows - 1) * down
    sizes = [down] * (wanted - 1) + [last]
    ends = [place + across * size * item for place, size in zip(places, sizes, strict=True)]
    if max(ends) > length:
      raise RefusedError('broken or truncated: a part of its pixels ends beyond the file')


def decoded(data: bytes, dtype: np.dtype) -> np.ndarray:
  """Decodes an image with OpenCV.

  Returns:
    `[H, W]`, or BGRA `[H, W, 4]`, upright, of values as stored.

  Raises:
    RefusedError: where it cannot be decoded, or not to that type.
  """
  import cv2  # takes as long as all else of a small preparation

  cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
  try:
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  except cv2.error as error:
    raise RefusedError(f'broken or truncated: {error.err}') from error
  if values is None or values.dtype != dtype:
    raise RefusedError('broken or truncated')
  return values
