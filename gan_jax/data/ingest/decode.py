"""Reads one file of any accepted format into pictures."""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from gan_jax.data.ingest import dicom, fit, nifti
from gan_jax.data.ingest.picture import Picture, RefusedError

MAX_PIXELS = 2**26  # of an image: a small file may claim more than the memory there is
_TOO_LARGE = f'more than {MAX_PIXELS:,} pixels: a small file may be meant to exhaust the memory'
_ORIENTATION = 0x0112  # EXIF's tag for how the camera was held


class Medical(NamedTuple):
  """How DICOM and NIfTI are read; see `dicom.read` and `nifti.read`.

  `bits` is how many of the 16 of a grey image of another format are used: a detector may give 12.
  """

  window: tuple[float, float] | None = None
  axis: int = 2
  slices: tuple[int | None, int | None] = (None, None)
  percentiles: tuple[float, float] = (0.5, 99.5)
  bits: int = 16


def read(name: str, data: bytes | np.ndarray, medical: Medical) -> Iterator[Picture]:
  """Yields the pictures of a file: one, or one a frame or slice.

  The format is told by what the file holds, never by its name, except for NIfTI.

  Args:
    name: of the file in its source.
    data: the file, or an array `[H, W, C]` of uint8, uint16 or floats from 0 to 1.
    medical: how DICOM and NIfTI are read.

  Raises:
    RefusedError: where it cannot be read, with the reason.
  """
  if isinstance(data, np.ndarray):
    yield _of_bits(_reduced(_of_array(name, data)), medical.bits)
  elif not data:
    raise RefusedError('an empty file')
  elif dicom.is_dicom(data):
    yield from map(_reduced, dicom.read(name, data, medical.window))
  elif nifti.is_nifti(name, data):
    yield from nifti.read(
      name, data, axis=medical.axis, slices=medical.slices, percentiles=medical.percentiles
    )
  else:
    yield _of_bits(_read_image(name, data), medical.bits)


def _of_bits(picture: Picture, bits: int) -> Picture:
  """Spreads grey that uses some of its 16 bits over all of them."""
  if picture.pixels.dtype != np.uint16 or bits == 16:
    return picture
  top, found = (1 << bits) - 1, int(picture.pixels.max())
  if found > top:
    raise RefusedError(f'has a value of {found:,}, which {bits} bits do not hold')
  pixels = np.rint(picture.pixels * (65535 / top)).astype(np.uint16)
  return picture._replace(pixels=pixels, notes=(*picture.notes, f'{bits} bits to 16'))


def _reduced(picture: Picture) -> Picture:
  """Colour of 16 bits as 8: a PNG of colour has no more here, and a screen shows no more."""
  if picture.pixels.dtype == np.uint16 and picture.pixels.shape[-1] > 1:
    pixels = np.rint(picture.pixels / 257).astype(np.uint8)
    return picture._replace(pixels=pixels, notes=(*picture.notes, '16 bits of colour to 8'))
  return picture


def _of_array(name: str, values: np.ndarray) -> Picture:
  if values.dtype.kind == 'f':
    # A screen shows no more of colour than 8 bits; grey may be of an instrument.
    return Picture(name, _of_floats(values, 65535 if values.shape[-1] == 1 else 255), ('floats',))
  if values.dtype.kind != 'u' or values.dtype.itemsize > 2:
    raise RefusedError(f'of type {values.dtype}; accepted: uint8, uint16, floats from 0 to 1')
  return Picture(name, values.astype(values.dtype.newbyteorder('=')))


def _of_floats(values: np.ndarray, top: int) -> np.ndarray:
  if not np.isfinite(values).all():
    raise RefusedError('holds NaN or infinite values')
  if values.min() < 0 or values.max() > 1:
    raise RefusedError(f'floats from {values.min():g} to {values.max():g}; accepted: from 0 to 1')
  return np.rint(values.astype(np.float64) * top).astype(np.uint8 if top == 255 else np.uint16)


def _read_image(name: str, data: bytes) -> Picture:
  notes: list[str] = []
  try:
    with Image.open(io.BytesIO(data)) as file:
      if file.width * file.height > MAX_PIXELS:
        raise RefusedError(f'{file.width:,}x{file.height:,} pixels; {_TOO_LARGE}')
      if file.format == 'EPS':  # Pillow would run it, as a program, in Ghostscript
        raise RefusedError('a page of PostScript, which is no image')
      if getattr(file, 'n_frames', 1) > 1:
        notes.append('first of several frames')
      # Colour of 16 bits is read as 8: only the header tells.
      if file.format == 'PNG' and file.mode in ('RGB', 'RGBA') and data[24:25] == b'\x10':
        notes.append('16 bits of colour to 8')
      turned = file.getexif().get(_ORIENTATION) in range(2, 9)
      file.load()
      image: Any = ImageOps.exif_transpose(file) if turned else file
      if turned:
        notes.append('turned by EXIF')
      pixels, note = _pixels(image)
  except RefusedError:
    raise
  except Image.UnidentifiedImageError as error:
    raise RefusedError('of no image format that is known here') from error
  except Image.DecompressionBombError as error:  # raised before the size can be looked at
    raise RefusedError(_TOO_LARGE) from error
  except Exception as error:  # whatever Pillow's readers raise at a file made to break them
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raise RefusedError(f'broken or truncated: {lines[0][:120]}') from error
  return Picture(name, pixels, (*notes, *([note] if note else [])))


def _pixels(image: Image.Image) -> tuple[np.ndarray, str]:
  """Pixels `[H, W, C]` of an image of any of Pillow's modes, and what had to be converted."""
  mode, transparent = image.mode, 'transparency' in image.info
  if mode in ('L', 'RGB') and not transparent:
    return _array(image), ''
  if mode.startswith('I;16'):
    values = np.asarray(image).astype(np.uint16)[..., None]
    if not transparent:
      return values, ''
    pixels = fit.convert(values, 'rgba')  # Pillow's own cuts off what is above 255
    pixels[..., 3:][values == image.info['transparency']] = 0
    return pixels, 'transparency made a channel, 16 bits to 8'
  if mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or transparent:
    rgba = image.convert('RGBA')
    palette = mode in ('P', 'PA')
    if _is_opaque(rgba):  # alpha that hides nothing is no channel of the picture
      colours = 'L' if mode in ('1', 'L', 'LA', 'La') else 'RGB'
      return _array(rgba.convert(colours)), 'palette' if palette else 'opaque alpha dropped'
    note = '' if mode == 'RGBA' else 'palette' if palette else 'transparency made a channel'
    return _array(rgba), note
  if mode == '1':
    return _array(image.convert('L')), '1 bit'
  if mode == 'P':
    return _array(image.convert('RGB')), 'palette'
  if mode == 'I':
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
      raise RefusedError('integers of 32 bits that 16 do not hold')
    return values.astype(np.uint16)[..., None], ''
  if mode == 'F':
    return _of_floats(np.asarray(image)[..., None], 65535), 'floats'
  return _array(image.convert('RGB')), mode  # CMYK, YCbCr, LAB, HSV


def _is_opaque(rgba: Image.Image) -> bool:
  return rgba.getchannel('A').getextrema()[0] == 255


def _array(image: Image.Image) -> np.ndarray:
  pixels = np.asarray(image)
  return pixels[..., None] if pixels.ndim == 2 else pixels
