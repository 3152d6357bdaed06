import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.inspection.measurement import measure, picture


def encoded(image, kind='PNG', **options):
  if isinstance(image, np.ndarray):
    image = Image.fromarray(image)
  file = io.BytesIO()
  image.save(file, format=kind, **options)
  return file.getvalue()


def palette_with_transparency():
  image = Image.new('P', (4, 4), 1)
  image.putpalette([0, 0, 0, 255, 0, 0])
  image.putpixel((0, 0), 0)
  return encoded(image, transparency=bytes([0, 128]))


def animated():
  frames = [Image.new('L', (5, 4), level) for level in (0, 200)]
  return encoded(frames[0], 'GIF', save_all=True, append_images=frames[1:])


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
KINDS = {
  '1': encoded(Image.fromarray(GREY > 100)),
  'L': encoded(GREY),
  'LA': encoded(Image.fromarray(GREY).convert('LA')),
  'P': palette_with_transparency(),
  'RGB': encoded(np.stack([GREY] * 3, -1)),
  'RGBA': encoded(np.zeros((3, 4, 4), np.uint8)),
  'I;16': encoded(GREY.astype(np.uint16) * 257),
  'F': encoded(GREY.astype(np.float32), 'TIFF'),
  'CMYK': encoded(Image.fromarray(GREY).convert('CMYK'), 'JPEG'),
}


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('mode', KINDS)
def test_every_mode_is_measured_and_shown(mode, channels):
  measured = measure(KINDS[mode], channels)
  assert measured.mode == mode
  assert measured.transparent == (mode in ('P', 'RGBA'))  # that of LA is opaque
  assert measured.small.shape == (32, 32, channels)
  assert measured.total.shape == (channels,)
  assert not measured.animated
  shown = picture(KINDS[mode])
  assert shown.shape == (*measured.size, 4)
  assert shown.dtype == np.uint8


def test_a_channel_for_transparency_that_is_opaque_counts_for_nothing():
  pixels = np.full((6, 6, 4), 255, np.uint8)
  assert not measure(encoded(pixels), 4).transparent
  pixels[2, 3, 3] = 254
  assert measure(encoded(pixels), 4).transparent


def test_moments_are_numpys():
  pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
  measured = measure(encoded(pixels), 3)
  np.testing.assert_allclose(measured.total, (pixels / 255).sum((0, 1)))
  np.testing.assert_allclose(measured.squares, ((pixels / 255) ** 2).sum((0, 1)))


def test_grey_of_16_bits_keeps_its_levels():
  levels = np.array([[0, 1000], [40000, 65535]], np.uint16)
  measured = measure(encoded(levels), 1)
  np.testing.assert_allclose(measured.total, (levels / 65535).sum(), rtol=1e-6)
  shown = picture(encoded(levels // 100))
  assert shown[..., 0].min() == 0
  assert shown[..., 0].max() == 255


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_grey_of_16_and_8_bits_look_alike(channels):
  deep, plain = (measure(KINDS[mode], channels).small for mode in ('I;16', 'L'))
  np.testing.assert_allclose(deep, plain, atol=1 / 255)


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_constant_images_are_blank(channels):
  one_pixel = np.full((1, 1), 7, np.uint8)
  assert measure(encoded(one_pixel), channels).blank
  assert measure(encoded(one_pixel.astype(np.uint16)), channels).blank
  assert not measure(KINDS['L'], channels).blank


def test_what_is_fully_transparent_is_blank_whatever_it_hides():
  hidden = np.random.default_rng(0).integers(0, 256, (6, 6, 4), np.uint8)
  hidden[..., 3] = 0
  assert measure(encoded(hidden), 4).blank
  assert not measure(encoded(hidden), 3).blank


def test_colour_of_16_bits_which_pillow_halves_is_named():
  chunk = lambda kind, data: b''.join(
    [struct.pack('>I', len(data)), kind, data, struct.pack('>I', zlib.crc32(kind + data))]
  )
  header = struct.pack('>IIBBBBB', 2, 1, 16, 2, 0, 0, 0)  # 2 by 1 pixels, 16 bits, RGB
  rows = zlib.compress(bytes(1 + 2 * 3 * 2))
  parts = [chunk(b'IHDR', header), chunk(b'IDAT', rows), chunk(b'IEND', b'')]
  assert measure(b'\x89PNG\r\n\x1a\n' + b''.join(parts), 3).mode == 'RGB of 16 bits'


def test_several_frames_are_noticed():
  measured = measure(animated(), 1)
  assert measured.animated
  assert measured.blank  # the first frame alone counts


@pytest.mark.parametrize(
  'data',
  [b'', b'not an image', encoded(GREY)[:40], encoded(np.stack([GREY] * 3, -1), 'JPEG')[:300]],
)
def test_broken_bytes_give_a_reason(data):
  reason = measure(data, 3)
  assert isinstance(reason, str)
  assert reason
  assert 'object at' not in reason


def test_equal_pixels_have_equal_digests_whatever_the_format():
  assert measure(encoded(GREY), 1).digest == measure(encoded(GREY, 'BMP'), 1).digest
  assert measure(encoded(GREY), 1).digest != measure(encoded(GREY.T), 1).digest
