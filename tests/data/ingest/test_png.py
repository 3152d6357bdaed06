"""PNG that is taken over: the same pixels to any reader, and nothing beside them."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_jax.data.ingest import png

KINDS = {
  'grey': (1, np.uint8),
  'grey16': (1, np.uint16),
  'rgb': (3, np.uint8),
  'rgba': (4, np.uint8),
}


def smooth(kind, size=(40, 50)):
  """An image that is smaller compressed."""
  channels, dtype = KINDS[kind]
  y, x = np.indices(size)
  levels = [(x * (1 + c) + y) * (np.iinfo(dtype).max // 400) for c in range(channels)]
  return np.stack(levels, axis=-1).astype(dtype)


def file_of(pixels, **options):
  file, info = io.BytesIO(), PngInfo()
  info.add_text('Comment', 'where it was taken')
  image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
  image.save(file, 'PNG', pnginfo=info, dpi=(72, 72), **options)
  return file.getvalue()


def chunk(kind, body):
  return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def made(pixels, stream, interlaced=0, parts=1):
  height, width, channels = pixels.shape
  header = struct.pack('>IIBBBBB', width, height, 8, {1: 0, 3: 2}[channels], 0, 0, interlaced)
  size = -(-len(stream) // parts)
  data = [chunk(b'IDAT', stream[at : at + size]) for at in range(0, len(stream), size)]
  return png.PNG + chunk(b'IHDR', header) + b''.join(data) + chunk(b'IEND', b'')


def stream_of(pixels, filtered=0):
  rows = pixels.reshape(len(pixels), -1)
  return zlib.compress(np.insert(rows, 0, filtered, axis=1).tobytes())


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_taken_over_are_the_pixels_alone_to_every_reader(kind):
  pixels = smooth(kind)
  data = file_of(pixels)
  found = png.taken_over(data, pixels)
  assert found
  assert b'taken' in data
  assert b'taken' not in found
  with Image.open(io.BytesIO(found)) as image:
    np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    assert not image.info
  other = cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_UNCHANGED)
  order = [0] if pixels.shape[-1] == 1 else [2, 1, 0, 3][: pixels.shape[-1]]  # it has blue first
  np.testing.assert_array_equal(other.reshape(pixels.shape)[..., order], pixels)


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_encoded_has_its_own_pixels_and_could_be_taken_over(kind):
  pixels = smooth(kind)
  data = png.encode(pixels)
  with Image.open(io.BytesIO(data)) as image:
    np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
  assert png.taken_over(data, pixels)


def test_parts_are_joined_their_checksums_made_anew_and_what_follows_left_out():
  pixels = smooth('rgb')
  whole = made(pixels, stream_of(pixels), parts=7)
  expected = png.taken_over(whole, pixels)
  assert expected == made(pixels, stream_of(pixels))
  place = whole.index(b'IDAT') + 8
  length = struct.unpack_from('>I', whole, place - 12)[0]
  broken = bytearray(whole + b'and more')
  broken[place - 4 + length] ^= 1  # a checksum of a part, at which other readers stop
  assert png.taken_over(bytes(broken), pixels) == expected


def test_what_is_not_just_these_pixels_is_not_taken_over():
  pixels, grey = smooth('rgb'), smooth('grey')
  stream = stream_of(pixels)
  palette = io.BytesIO()
  Image.fromarray(pixels).quantize(16).save(palette, 'PNG')
  refused = {
    'another size': file_of(pixels[:-1]),
    'another kind': file_of(grey),
    'a transparent colour': file_of(pixels, transparency=(1, 2, 3)),
    'a palette': palette.getvalue(),
    'interlaced': made(pixels, stream, interlaced=1),
    'not compressed': file_of(pixels, compress_level=0),
    'cut short': made(pixels, stream_of(pixels[:-1])),
    'too long': made(pixels, stream_of(np.concatenate([pixels, pixels]))),
    'bad checksum of the pixels': made(pixels, stream[:-1] + bytes([stream[-1] ^ 1])),
    'not deflated': made(pixels, b'\xff' * 100),
    'no such filter': made(pixels, stream_of(pixels, filtered=5)),
    'no end': file_of(pixels)[:-12],
    'two headers': png.PNG + 2 * file_of(pixels)[8:33] + file_of(pixels)[33:],
    'a JPEG': b'\xff\xd8\xff\xe0' + bytes(100),
    'nothing': b'',
  }
  taken = [what for what, data in refused.items() if png.taken_over(data, pixels)]
  assert not taken
