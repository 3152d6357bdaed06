"""Reads one file of any accepted format into pictures."""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from gan_jax.data.ingest import dicom, nifti
from gan_jax.data.ingest.picture import Picture, RefusedError

MAX_PIXELS = 2**26  # of an image: a small file may claim more than the memory there is
_ORIENTATION = 0x0112  # EXIF's tag for how the camera was held


class Medical(NamedTuple):
  """How DICOM and NIfTI are read; see `dicom.read` and `nifti.read`."""

  window: tuple[float, float] | None = None
  axis: int = 2
  slices: tuple[int | None, int | None] = (None, None)
  percentiles: tuple[float, float] = (0.5, 99.5)


def read(name: str, data: bytes | np.ndarray, medical: Medical) -> Iterator[Picture]:
  """Yields the pictures of a file: one, or one a frame or slice.

  The format is told by what the file holds, never by its name, except for NIfTI.

  Args:
    name: of the file in its source.
    data: the file, or pixels `[H, W, C]` that are decoded already.
    medical: how DICOM and NIfTI are read.

  Raises:
    RefusedError: where it cannot be read, with the reason.
  """
  if isinstance(data, np.ndarray):
    yield _reduced(Picture(name, data))
  elif not data:
    raise RefusedError('an empty file')
  elif dicom.is_dicom(data):
    yield from map(_reduced, dicom.read(name, data, medical.window))
  elif nifti.is_nifti(name, data):
    yield from nifti.read(
      name, data, axis=medical.axis, slices=medical.slices, percentiles=medical.percentiles
    )
  else:
    yield _read_image(name, data)


def _reduced(picture: Picture) -> Picture:
  """Colour of 16 bits as 8: a PNG of colour has no more here, and a screen shows no more."""
  if picture.pixels.dtype == np.uint16 and picture.pixels.shape[-1] > 1:
    pixels = np.rint(picture.pixels / 257).astype(np.uint8)
    return picture._replace(pixels=pixels, notes=(*picture.notes, '16 bits of colour to 8'))
  return picture


def _read_image(name: str, data: bytes) -> Picture:
  notes: list[str] = []
  try:
    with Image.open(io.BytesIO(data)) as file:
      if file.width * file.height > MAX_PIXELS:
        raise RefusedError(
          f'{file.width:,}x{file.height:,} pixels; at most {MAX_PIXELS:,} in all, a small file '
          'that claims more may be meant to exhaust the memory'
        )
      if getattr(file, 'n_frames', 1) > 1:
        notes.append('first frame of an animation')
      # Colour of 16 bits is read as 8: only the header tells.
      if file.format == 'PNG' and file.mode in ('RGB', 'RGBA') and data[24:25] == b'\x10':
        notes.append('16 bits of colour to 8')
      turned = file.getexif().get(_ORIENTATION, 1) != 1
      file.load()
      image: Any = ImageOps.exif_transpose(file) if turned else file
      if turned:
        notes.append('turned by EXIF')
      pixels, note = _pixels(image)
  except RefusedError:
    raise
  except Image.UnidentifiedImageError as error:
    raise RefusedError('of no image format that is known here') from error
  except Exception as error:  # whatever Pillow's readers raise at a file made to break them
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raise RefusedError(f'broken or truncated: {lines[0][:120]}') from error
  return Picture(name, pixels, (*notes, *([note] if note else [])))


def _pixels(image: Image.Image) -> tuple[np.ndarray, str]:
  """Pixels `[H, W, C]` of an image of any of Pillow's modes, and what had to be converted."""
  mode, transparent = image.mode, 'transparency' in image.info
  if mode in ('L', 'RGB') and not transparent:
    return _array(image), ''
  if mode == 'RGBA':
    # Alpha that hides nothing is no channel of the picture.
    opaque = _is_opaque(image)
    return (_array(image.convert('RGB')), 'opaque alpha dropped') if opaque else (_array(image), '')
  if mode in ('LA', 'PA', 'La', 'RGBa') or transparent:
    rgba = image.convert('RGBA')
    note = 'palette' if mode in ('P', 'PA') else 'transparency made a channel'
    opaque = _is_opaque(rgba)
    return _array(rgba.convert('RGB') if opaque else rgba), note
  if mode == '1':
    return _array(image.convert('L')), '1 bit'
  if mode == 'P':
    return _array(image.convert('RGB')), 'palette'
  if mode.startswith('I;16'):
    return np.asarray(image).astype(np.uint16)[..., None], ''
  if mode == 'I':
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
      raise RefusedError('integers of 32 bits that 16 do not hold')
    return values.astype(np.uint16)[..., None], ''
  if mode == 'F':
    values = np.asarray(image)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
      raise RefusedError('floats that are not from 0 to 1')
    return np.rint(values.astype(np.float64) * 65535).astype(np.uint16)[..., None], 'floats'
  return _array(image.convert('RGB')), mode  # CMYK, YCbCr, LAB, HSV


def _is_opaque(rgba: Image.Image) -> bool:
  return rgba.getchannel('A').getextrema()[0] == 255


def _array(image: Image.Image) -> np.ndarray:
  pixels = np.asarray(image)
  return pixels[..., None] if pixels.ndim == 2 else pixels
