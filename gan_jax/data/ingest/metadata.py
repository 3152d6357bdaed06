"""Leaves out of an image file what is beside its pixels: it may be spoilt where they are whole."""

import struct
import zlib
from collections.abc import Iterator

PNG, _JPEG = b'\x89PNG\r\n\x1a\n', b'\xff\xd8'
_PIXELS = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')  # chunks of PNG


def left_out(data: bytes) -> bytes | None:
  """The same PNG or JPEG with nothing but pixels and EXIF; None for a file of another format.

  Raises:
    IndexError, struct.error: where the parts of a file do not follow each other up to its pixels.
  """
  if data.startswith(PNG):
    return PNG + b''.join(_png_parts(data))
  return b''.join(_jpeg_parts(data)) if data.startswith(_JPEG) else None


def _png_parts(data: bytes) -> Iterator[bytes]:
  place = len(PNG)
  while place < len(data):
    (length,), kind = struct.unpack_from('>I', data, place), data[place + 4 : place + 8]
    part = data[place : place + 12 + length]
    whole = part[-4:] == struct.pack('>I', zlib.crc32(part[4:-4]))
    if kind in _PIXELS or (kind == b'eXIf' and whole):
      yield part
    if kind == b'IEND':
      return
    place += len(part)


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
  yield _JPEG
  place = len(_JPEG)
  while (marker := data[place + 1]) != 0xDA:  # where the pixels start
    (length,) = struct.unpack_from('>H', data, place + 2)
    part = data[place : place + 2 + length]
    exif = marker == 0xE1 and part[4:10] == b'Exif\0\0'
    adobe = marker == 0xEE and part[4:9] == b'Adobe' and length >= 14  # how colours are stored
    if exif or adobe or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
      yield part
    place += len(part)
  yield data[place:]
