"""Reads an image of any of Pillow's formats: the pixels that viewers show, at their own depth.

Pillow reads no deeper than 8 bits where grey has alpha or colour a transparent value, nor all grey
TIFFs, and some of those wrongly: these few are read by OpenCV, which TFDS needs for 16 bits too.
"""

import contextlib
import importlib
import io
import re
import struct
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from gan_jax.data.ingest import deep, levels, metadata
from gan_jax.data.ingest.picture import Picture, RefusedError, first_line

MAX_PIXELS = 2**26  # of an image: a small file may claim more than the memory there is
_TOO_LARGE = f'more than {MAX_PIXELS:,} pixels: a small file may be meant to exhaust the memory'
_ORIENTATION = 0x0112  # EXIF's tag for how the camera was held
_TURNS = {
  2: Image.Transpose.FLIP_LEFT_RIGHT,
  3: Image.Transpose.ROTATE_180,
  4: Image.Transpose.FLIP_TOP_BOTTOM,
  5: Image.Transpose.TRANSPOSE,
  6: Image.Transpose.ROTATE_270,
  7: Image.Transpose.TRANSVERSE,
  8: Image.Transpose.ROTATE_90,
}
_HEIC = re.compile(rb'hei[cmsx]|hev[cmsx]|mif1|msf1')  # brands of its file type box
_SEVERAL, _TURNED = 'first of several frames', 'turned by EXIF'
_BAD_METADATA = 'bad metadata left aside'
_GREY_AND_ALPHA = 4  # a PNG's type of colours
_TO_8 = '16 bits of colour to 8'


def read(name: str, data: bytes, window: tuple[float, float] | None = None) -> Picture:
  """Reads the first image of a file.

  What is beside the pixels decides nothing but how the image is turned: where it is spoilt, it is
  left aside with a note, as viewers do. Pixels that are spoilt or cut short are refused.

  Args:
    name: of the picture.
    data: the whole file.
    window: (centre, width) of grey values that are no levels; see `levels.of_grey`.

  Raises:
    RefusedError: where it cannot be read, with the reason.
  """
  if _is_heic(data):
    with contextlib.suppress(ImportError):
      importlib.import_module('pillow_heif').register_heif_opener()
  try:
    try:
      return _read(name, data, window)
    except (RefusedError, Image.DecompressionBombError):
      raise
    except Exception:  # whatever Pillow's readers raise: at the pixels, or at what is beside them
      bare = None
      with contextlib.suppress(IndexError, struct.error):  # its parts do not follow each other
        bare = metadata.left_out(data)
      if bare is None:
        raise
      picture = _read(name, bare, window)
      return picture._replace(notes=(*picture.notes, _BAD_METADATA))
  except RefusedError:
    raise
  except UnidentifiedImageError as error:
    raise RefusedError(_unknown(data)) from error
  except Image.DecompressionBombError as error:  # raised before the size can be looked at
    raise RefusedError(_TOO_LARGE) from error
  except Exception as error:
    raise RefusedError(f'broken or truncated: {first_line(error)}') from error


def settled(pixels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
  """Brings `[H, W, C]` of uint8 or uint16 to what a picture may be: grey, RGB or RGBA.

  Alpha that says nothing is no channel of a picture: where it hides nothing, and where it hides all
  of an image that has something to show, as files have it whose writer left that byte at 0. Grey
  with any other alpha becomes RGBA. Colour of 16 bits becomes 8: a screen shows no more.

  Returns:
    The pixels, and notes of what was done.
  """
  notes: tuple[str, ...] = ()
  if pixels.shape[-1] in (2, 4):
    alpha, colours = pixels[..., -1], pixels[..., :-1]
    if alpha.min() == np.iinfo(pixels.dtype).max:
      pixels, notes = colours, ('opaque alpha dropped',)
    elif alpha.max() == 0 and (colours != colours[:1, :1]).any():
      pixels, notes = colours, ('empty alpha dropped',)
    elif pixels.shape[-1] == 2:
      pixels = pixels[..., [0, 0, 0, 1]]
  if pixels.dtype == np.uint16 and pixels.shape[-1] > 1:
    pixels, notes = levels.shown(lambda some: some / 65535, pixels, 255), (*notes, _TO_8)
  return pixels, notes


def _read(name: str, data: bytes, window: tuple[float, float] | None) -> Picture:
  if data[:4] in TiffImagePlugin.PREFIXES and (tiff := deep.about(data)):
    _check_size(tiff.width, tiff.height)
    pixels, more = levels.of_grey(deep.decoded(data, tiff.dtype), window, tiff.white_is_zero)
    notes = (_SEVERAL,) * tiff.several + (_TURNED,) * tiff.turned
    return Picture(name, pixels, (*notes, *more))
  with Image.open(io.BytesIO(data)) as file:
    _check_size(file.width, file.height)
    if file.format == 'EPS':  # Pillow would run it, as a program, in Ghostscript
      raise RefusedError('a page of PostScript, which is no image')
    image, turned = _upright(file)
    if image.mode in ('I', 'F'):
      pixels, notes = levels.of_grey(np.asarray(image), window)
    else:
      values, converted = _values(image, data)
      pixels, more = settled(values)
      notes = (*converted, *more)
      made = values.shape[-1] == 2 or image.mode not in ('RGBA', 'P', 'PA')
      if pixels.shape[-1] == 4 and made:
        notes = ('transparency made a channel', *notes)
      if values.dtype == np.uint8 and values.shape[-1] > 2 and _depth(file, data) == 16:
        notes = (_TO_8, *notes)
    return Picture(name, pixels, (*_of_several(file), *turned, *notes))


def _check_size(width: int, height: int) -> None:
  if width * height > MAX_PIXELS:
    raise RefusedError(f'{width:,}x{height:,} pixels; {_TOO_LARGE}')


def _upright(file: Any) -> tuple[Image.Image, tuple[str, ...]]:
  """Loads an image, turned as EXIF says, and notes of that; of EXIF nothing else is looked at."""
  tiff = file.format == 'TIFF'  # which Pillow turns itself, while it loads
  if not tiff:
    file.load()
  notes: tuple[str, ...] = ()
  try:
    turn = file.getexif().get(_ORIENTATION)
  except Exception:  # whatever its parser stumbles over
    turn, notes = file.tag_v2.get(_ORIENTATION) if tiff else None, (_BAD_METADATA,)
  turn = turn if isinstance(turn, int) and turn in _TURNS else None
  if turn:
    notes = (*notes, _TURNED)
  if not tiff:
    return file.transpose(_TURNS[turn]) if turn else file, notes
  plain = Image.Exif()
  if turn:
    plain[_ORIENTATION] = turn
  file.getexif = lambda: plain
  file.info.pop('xmp', None)
  file.load()
  return file, notes


def _of_several(file: Any) -> tuple[str, ...]:
  try:
    several = getattr(file, 'n_frames', 1) > 1
  except Exception:  # those behind the first are broken, which is whole
    several = True
  return (_SEVERAL,) if several else ()


def _values(image: Image.Image, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
  """Values `[H, W, C]` of any of Pillow's modes but I and F, C of 1 to 4, the last of 2 or 4 alpha.

  Returns:
    The values, uint8 or uint16, and notes of what had to be converted.
  """
  mode, clear = image.mode, image.info.get('transparency')
  depth, colours = _png_header(data)
  if depth == 16 and (colours == _GREY_AND_ALPHA or (mode == 'RGB' and clear is not None)):
    values = deep.decoded(data, np.dtype(np.uint16))  # blue, green, red, alpha
    return values[..., [0, 3] if colours == _GREY_AND_ALPHA else [2, 1, 0, 3]], ()
  if mode in ('P', 'PA'):
    opaque = mode == 'P' and clear is None
    return _array(image.convert('RGB' if opaque else 'RGBA')), ('palette',)
  notes: tuple[str, ...] = ()
  if mode in ('La', 'RGBa'):
    values = _array(image.convert(mode.upper()))
  elif mode.startswith('I;16') or mode in ('L', 'LA', 'RGB', 'RGBA'):
    values = _array(image)
    values = values.astype(np.uint16) if values.dtype.itemsize == 2 else values
  elif mode == '1':
    values, notes = _array(image.convert('L')), ('1 bit',)
  else:
    values, notes = _array(image.convert('RGB')), (mode,)  # CMYK, YCbCr, LAB, HSV
  if clear is not None and values.shape[-1] in (1, 3) and not isinstance(clear, bytes):
    # Pillow spreads the pixels of 2 and 4 bits over 8, and not this value.
    unit = 255 // (2**depth - 1) if mode == 'L' and depth in (2, 4) else 1
    hidden = (values == np.asarray(clear) * unit).all(-1, keepdims=True)
    alpha = np.where(hidden, 0, np.iinfo(values.dtype).max).astype(values.dtype)
    values, notes = np.concatenate([values, alpha], -1), ()
  return values, notes


def _array(image: Image.Image) -> np.ndarray:
  pixels = np.asarray(image)
  return pixels[..., None] if pixels.ndim == 2 else pixels


def _png_header(data: bytes) -> tuple[int, int]:
  """Bits of a sample and type of colours of a PNG; zeros of any other file."""
  png = data.startswith(metadata.PNG) and data[12:16] == b'IHDR'
  return (data[24], data[25]) if png else (0, 0)


def _depth(file: Any, data: bytes) -> int:
  bits = file.tag_v2.get(deep.BITS, (1,)) if file.format == 'TIFF' else (_png_header(data)[0],)
  return max(bits)


def _is_heic(data: bytes) -> bool:
  return data[4:8] == b'ftyp' and bool(_HEIC.search(data[8 : min(64, int.from_bytes(data[:4]))]))


def _unknown(data: bytes) -> str:
  """Why a file is refused in which Pillow finds no image."""
  if _is_heic(data):
    return 'HEIC, for which one package more is needed: pip install pillow-heif'
  if data.startswith((b'\xff\x0a', b'\0\0\0\x0cJXL ')):
    return 'JPEG XL, which is not read here; convert it to PNG'
  if data[:4] in TiffImagePlugin.PREFIXES:
    return 'a TIFF that is broken, or of a layout that is not read here; convert it to PNG'
  return 'of no image format that is known here'
