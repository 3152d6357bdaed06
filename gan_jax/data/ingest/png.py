"""PNG as datasets store it: encoded, or taken over where a file holds just that already."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from gan_jax.data.ingest.metadata import PNG

_COLOURS = {1: 0, 3: 2, 4: 6}  # PNG's type of colours, by the number of channels
# Chunks by which pixels are others than those stored, or there are several images.
_OTHERWISE = (b'PLTE', b'tRNS', b'acTL')
_FILTERS = 5


def encode(pixels: np.ndarray) -> bytes:
  """Encodes `[H, W, C]`, uint8 or (C = 1) uint16, without loss."""
  file = io.BytesIO()
  image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
  # zlib's strategy for PNG: of photographs a third of the time, to within a thirtieth of the size.
  image.save(file, format='PNG', compress_type=zlib.Z_RLE)
  return file.getvalue()


def taken_over(data: bytes, pixels: np.ndarray) -> bytes:
  """The pixels of a file as a PNG, without encoding them anew.

  Args:
    data: of the file, which was read to just these pixels: nothing of it was converted.
    pixels: `[H, W, C]`.

  Returns:
    Header and pixels as the file has them, with nothing that lies beside them, such as a text or a
    place. b'' of any other file, of one that is not compressed, and where another reader could
    stumble: its checksums are looked at and made anew.
  """
  parts = _parts(data) if data.startswith(PNG) else None
  if parts is None:
    return b''
  header, stream = parts
  height, width, channels = pixels.shape
  bits = 8 * pixels.dtype.itemsize
  # Compression 0, filters 0, no interlacing.
  if header != struct.pack('>IIBBBBB', width, height, bits, _COLOURS[channels], 0, 0, 0):
    return b''
  row = 1 + width * channels * bits // 8
  expander = zlib.decompressobj()
  try:
    raw = expander.decompress(stream, height * row + 1)
  except zlib.error:
    return b''
  if len(raw) != height * row or not expander.eof or len(stream) >= len(raw):
    return b''
  if np.frombuffer(raw, np.uint8)[::row].max() >= _FILTERS:
    return b''
  used = stream[: len(stream) - len(expander.unused_data)]
  return PNG + _chunk(b'IHDR', header) + _chunk(b'IDAT', used) + _chunk(b'IEND', b'')


def _parts(data: bytes) -> tuple[bytes, bytes] | None:
  """Header and compressed pixels of a PNG; None where they are not all that it shows."""
  place, header = len(PNG), b''
  pixels: list[bytes] = []
  while place + 12 <= len(data):
    (length,), kind = struct.unpack_from('>I', data, place), data[place + 4 : place + 8]
    body = data[place + 8 : place + 8 + length]
    if kind in _OTHERWISE or (kind == b'IHDR') != (not header):
      return None
    if kind == b'IEND':
      return header, b''.join(pixels)
    if kind == b'IHDR':
      header = body
    elif kind == b'IDAT':
      pixels.append(body)
    place += 12 + length
  return None


def _chunk(kind: bytes, body: bytes) -> bytes:
  checked = kind + body
  return struct.pack('>I', len(body)) + checked + struct.pack('>I', zlib.crc32(checked))
