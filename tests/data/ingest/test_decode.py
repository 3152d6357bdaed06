import contextlib
import io
import pathlib
import re
import struct
import tracemalloc
import warnings
import zlib

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from gan_jax.data.ingest import decode, levels
from gan_jax.data.ingest.picture import RefusedError


def noise(*shape, dtype=np.uint8, seed=0):
  return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(image, kind='PNG', **options):
  file = io.BytesIO()
  (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
  return file.getvalue()


def read(data, name='a.png'):
  [picture] = decode.read(name, data, decode.Medical())
  assert picture.name == name
  assert picture.pixels.ndim == 3
  return picture


def refusal(data, name='a.png'):
  with pytest.raises(RefusedError) as refused:
    list(decode.read(name, data, decode.Medical()))
  assert '\n' not in str(refused.value)
  return str(refused.value)


def chunk(kind, data):
  return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(pixels, colour_type, transparent=b'', before=b''):
  """A PNG made by hand, of any depth: rows of big-endian samples without a filter."""
  bits = 8 * pixels.itemsize
  header = struct.pack('>IIBBBBB', pixels.shape[1], pixels.shape[0], bits, colour_type, 0, 0, 0)
  rows = b''.join(b'\0' + row.astype(f'>u{pixels.itemsize}').tobytes() for row in pixels)
  parts = [chunk(b'IHDR', header), before, chunk(b'tRNS', transparent) if transparent else b'']
  return b'\x89PNG\r\n\x1a\n' + b''.join(
    [*parts, chunk(b'IDAT', zlib.compress(rows)), chunk(b'IEND', b'')]
  )


@pytest.mark.parametrize(
  ('kind', 'channels'),
  [(kind, c) for kind in ('PNG', 'BMP', 'TIFF', 'PPM', 'TGA') for c in (1, 3)] + [('WEBP', 3)],
)
def test_what_is_stored_without_loss_is_read_as_it_is(kind, channels):
  pixels = noise(7, 5, channels)
  picture = read(saved(pixels[..., 0] if channels == 1 else pixels, kind, lossless=True))
  np.testing.assert_array_equal(picture.pixels, pixels)
  assert picture.notes == ()


@pytest.mark.parametrize('shape', [(1, 1), (1, 5000), (5000, 1)])
def test_thin_images_are_read(shape):
  pixels = noise(*shape)
  np.testing.assert_array_equal(read(saved(pixels)).pixels[..., 0], pixels)


@pytest.mark.parametrize('name', ['a.jpg', 'a', 'a.txt', 'a.dcm'])
def test_the_format_is_told_by_what_a_file_holds_and_not_by_its_name(name):
  pixels = noise(4, 6, 3)
  np.testing.assert_array_equal(read(saved(pixels), name).pixels, pixels)


@pytest.mark.parametrize('data', [b'This is no image.', b'\x89PNG', b'\0' * 1000, b'<svg></svg>'])
def test_what_is_no_image_is_refused(data):
  assert refusal(data) == 'of no image format that is known here'


def test_an_empty_file_is_refused():
  assert refusal(b'') == 'an empty file'


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'GIF', 'WEBP', 'TIFF', 'BMP'])
@pytest.mark.parametrize('part', [0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused(kind, part):
  data = saved(noise(64, 64, 3), kind)
  assert re.match(
    'broken or truncated: .|of no image format', refusal(data[: int(part * len(data))])
  )


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'GIF', 'WEBP', 'TIFF', 'BMP'])
def test_a_file_with_bytes_turned_over_is_read_or_refused_and_nothing_else(kind):
  whole = np.frombuffer(saved(noise(16, 16, 3), kind), np.uint8)
  rng = np.random.default_rng(0)
  for _ in range(40):
    data = whole.copy()
    data[rng.integers(len(data), size=4)] = rng.integers(0, 256, 4)
    with contextlib.suppress(RefusedError), warnings.catch_warnings():
      warnings.simplefilter('ignore')
      [picture] = decode.read('a', data.tobytes(), decode.Medical())
      assert picture.pixels.size


def test_a_palette_becomes_its_colours():
  palette, places = noise(256, 3), noise(9, 8, seed=1)
  image = Image.fromarray(places, 'P')
  image.putpalette(palette.tobytes())
  picture = read(saved(image))
  np.testing.assert_array_equal(picture.pixels, palette[places])
  assert picture.notes == ('palette',)


def test_a_palette_with_transparency_becomes_colours_with_alpha():
  palette, places = noise(256, 3), noise(9, 8, seed=1)
  places[0, 0] = 7
  image = Image.fromarray(places, 'P')
  image.putpalette(palette.tobytes())
  alpha = noise(256, seed=2)
  picture = read(saved(image, transparency=alpha.tobytes()))
  np.testing.assert_array_equal(picture.pixels[..., :3], palette[places])
  np.testing.assert_array_equal(picture.pixels[..., 3], alpha[places])
  assert picture.notes == ('palette',)
  opaque = read(saved(image, transparency=b'\xff' * 256))
  np.testing.assert_array_equal(opaque.pixels, palette[places])


def test_one_bit_becomes_black_and_white():
  bits = noise(9, 13) > 100
  picture = read(saved(Image.fromarray(bits)))
  np.testing.assert_array_equal(picture.pixels[..., 0], np.where(bits, 255, 0))
  assert picture.notes == ('1 bit',)


def test_cmyk_becomes_rgb():
  inks = noise(6, 6, 4)
  picture = read(saved(Image.fromarray(inks, 'CMYK'), 'TIFF'))
  share = inks / 255
  expected = 255 * (1 - share[..., :3]) * (1 - share[..., 3:])
  np.testing.assert_allclose(picture.pixels, expected, atol=1.01)
  assert picture.notes == ('CMYK',)


def test_a_jpeg_of_cmyk_is_no_negative():
  inks = np.full((16, 16, 4), (0, 255, 255, 0), np.uint8)  # red
  picture = read(saved(Image.fromarray(inks, 'CMYK'), 'JPEG', quality=100))
  np.testing.assert_allclose(picture.pixels.astype(int), np.full((16, 16, 3), (255, 0, 0)), atol=3)


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'PPM'])
def test_grey_of_16_bits_keeps_its_depth(kind):
  pixels = noise(9, 8, dtype=np.uint16)
  picture = read(saved(pixels, kind))
  assert picture.pixels.dtype == np.uint16
  np.testing.assert_array_equal(picture.pixels[..., 0], pixels)
  assert picture.notes == ()


def test_grey_of_16_bits_with_one_value_transparent_keeps_what_is_seen():
  pixels = noise(9, 8, dtype=np.uint16)
  picture = read(png(pixels, 0, transparent=struct.pack('>H', pixels[2, 3])))
  expected = np.rint(pixels / 257)
  for channel in range(3):
    np.testing.assert_array_equal(picture.pixels[..., channel], expected)
  np.testing.assert_array_equal(picture.pixels[..., 3], np.where(pixels == pixels[2, 3], 0, 255))


@pytest.mark.parametrize(('colour_type', 'channels'), [(2, 3), (6, 4)])
def test_colour_of_16_bits_becomes_8_and_says_so(colour_type, channels):
  pixels = noise(6, 5, channels, dtype=np.uint16)
  picture = read(png(pixels, colour_type))
  assert picture.pixels.dtype == np.uint8
  np.testing.assert_allclose(picture.pixels, pixels / 257, atol=1)
  assert picture.notes == ('16 bits of colour to 8',)


@pytest.mark.parametrize(
  ('mode', 'transparent'), [('L', 7), ('RGB', (7, 7, 7)), ('1', 1)], ids=['grey', 'rgb', 'bit']
)
def test_a_colour_that_is_transparent_becomes_alpha(mode, transparent):
  image = Image.new(mode, (4, 3), 0)
  image.putpixel((2, 1), transparent)
  picture = read(saved(image, transparency=transparent))
  expected = np.full((3, 4), 255)
  expected[1, 2] = 0
  np.testing.assert_array_equal(picture.pixels[..., 3], expected)
  assert (picture.pixels[..., :3][expected > 0] == 0).all()
  assert picture.notes == ('transparency made a channel',)


def test_grey_with_alpha_becomes_rgba_and_grey_where_nothing_is_hidden():
  pixels = noise(5, 6, 2)
  picture = read(saved(Image.fromarray(pixels, 'LA')))
  np.testing.assert_array_equal(picture.pixels, pixels[..., [0, 0, 0, 1]])
  pixels[..., 1] = 255
  picture = read(saved(Image.fromarray(pixels, 'LA')))
  np.testing.assert_array_equal(picture.pixels, pixels[..., :1])
  assert picture.notes == ('opaque alpha dropped',)


def test_alpha_is_kept_where_it_hides_something():
  pixels = noise(5, 6, 4)
  picture = read(saved(pixels))
  np.testing.assert_array_equal(picture.pixels, pixels)
  assert picture.notes == ()
  pixels[..., 3] = 255
  picture = read(saved(pixels))
  np.testing.assert_array_equal(picture.pixels, pixels[..., :3])
  assert picture.notes == ('opaque alpha dropped',)


@pytest.mark.parametrize('kind', ['GIF', 'WEBP', 'PNG', 'TIFF'])
def test_of_an_animation_the_first_frame_is_taken_and_said_so(kind):
  frames = [Image.new('RGB', (6, 4), colour) for colour in ('red', 'blue', 'lime')]
  data = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
  picture = read(data)
  np.testing.assert_array_equal(picture.pixels, np.full((4, 6, 3), (255, 0, 0)))
  assert picture.notes[0] == 'first of several frames'


# What EXIF's orientations say: where the stored row 0 and column 0 are to be seen.
TURNS = {
  1: lambda x: x,
  2: lambda x: x[:, ::-1],
  3: lambda x: x[::-1, ::-1],
  4: lambda x: x[::-1],
  5: lambda x: x.swapaxes(0, 1),
  6: lambda x: x.swapaxes(0, 1)[:, ::-1],  # the stored top is the right-hand side
  7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
  8: lambda x: x.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP'])
@pytest.mark.parametrize('orientation', [0, *TURNS, 9])
def test_images_are_turned_as_exif_says(kind, orientation):
  pixels = noise(4, 6, 3)
  exif = Image.Exif()
  exif[0x0112] = orientation
  picture = read(saved(pixels, kind, exif=exif, lossless=True))
  turn = TURNS.get(orientation)
  np.testing.assert_array_equal(picture.pixels, turn(pixels) if turn else pixels)
  assert picture.notes == (('turned by EXIF',) if 2 <= orientation <= 8 else ())


def test_a_jpeg_from_a_camera_held_upright_is_upright():
  pixels = np.zeros((16, 32), np.uint8)
  pixels[:, 16:] = 255  # its right-hand half is the lower half, once turned
  exif = Image.Exif()
  exif[0x0112] = 6
  found = read(saved(pixels, 'JPEG', exif=exif, quality=95)).pixels[..., 0]
  assert found.shape == (32, 16)
  assert found[:14].max() < 20
  assert found[18:].min() > 235


@pytest.mark.parametrize(('width', 'height'), [(60000, 60000), (2**31 - 1, 1), (8193, 8193)])
def test_an_image_that_claims_too_many_pixels_is_refused_before_it_is_decoded(width, height):
  header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
  data = png(noise(2, 2), 0)
  data = data[:8] + chunk(b'IHDR', header) + data[33:]
  assert '67,108,864 pixels: a small file may be meant to exhaust the memory' in refusal(data)


@pytest.mark.parametrize('kind', [b'zTXt', b'iCCP'])
def test_text_in_a_png_that_unpacks_to_very_much_is_left_packed(kind):
  bomb = chunk(kind, b'Comment\0\0' + zlib.compress(bytes(2**26), 9))
  assert len(bomb) < 2**17
  pixels = noise(2, 2)
  tracemalloc.start()
  picture = read(png(pixels, 0, before=bomb))
  _, most = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  np.testing.assert_array_equal(picture.pixels[..., 0], pixels)
  assert picture.notes == ('bad metadata left aside',)
  assert most < 2**23


def test_postscript_is_refused_and_not_run():
  page = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n%%EOF\n'
  assert 'PostScript' in refusal(page)


@pytest.mark.parametrize('dtype', ['u1', '<u2', '>u2'])
def test_arrays_are_taken_as_they_are(dtype):
  values = noise(4, 5, 1, dtype=np.dtype(dtype).newbyteorder('=').type).astype(dtype)
  picture = read(values)
  np.testing.assert_array_equal(picture.pixels, values)
  assert picture.pixels.dtype == np.dtype(dtype).newbyteorder('=')
  assert picture.notes == ()


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(('channels', 'top'), [(1, 65535), (3, 255), (4, 255)])
def test_floats_from_0_to_1_become_the_whole_range(dtype, channels, top):
  values = np.random.default_rng(0).uniform(size=(4, 5, channels)).astype(dtype)
  values[0, 0], values[0, 1] = 0, 1
  picture = read(values)
  np.testing.assert_array_equal(picture.pixels, np.rint(values.astype(np.float64) * top))
  assert picture.pixels.dtype == (np.uint16 if channels == 1 else np.uint8)
  assert picture.notes == ('floats',)


def test_a_tiff_of_floats_is_read_as_an_array_of_floats():
  values = np.random.default_rng(0).uniform(size=(4, 5)).astype(np.float32)
  np.testing.assert_array_equal(read(saved(values, 'TIFF')).pixels, read(values[..., None]).pixels)
  assert 'accepted: from 0 to 1; --window' in refusal(saved(values + 1, 'TIFF'))


@pytest.mark.parametrize(
  ('values', 'reason'),
  [
    (np.full((2, 2, 1), 255.0), 'floats from 255 to 255; accepted: from 0 to 1'),
    (np.full((2, 2, 1), -0.1), 'floats from -0.1 to -0.1; accepted: from 0 to 1'),
    (np.full((2, 2, 1), np.nan), 'holds NaN or infinite values'),
    (np.full((2, 2, 1), np.inf), 'holds NaN or infinite values'),
    (np.zeros((2, 2, 1), np.int64), 'of type int64; accepted: uint8, uint16, floats from 0 to 1'),
    (np.zeros((2, 2, 1), bool), 'of type bool; accepted: uint8, uint16, floats from 0 to 1'),
    (np.zeros((2, 2, 1), np.uint32), 'of type uint32; accepted: uint8, uint16, floats from 0 to 1'),
  ],
)
def test_arrays_of_other_values_are_refused(values, reason):
  assert refusal(values).removesuffix(levels.MEND) == reason


def test_colour_arrays_of_16_bits_become_8():
  values = noise(4, 5, 3, dtype=np.uint16)
  picture = read(values)
  np.testing.assert_array_equal(picture.pixels, np.rint(values / 65535 * 255))
  assert picture.notes == ('16 bits of colour to 8',)


@pytest.mark.parametrize('values', [[0, 65535], [5, 70000], [-1, 5]])
def test_integers_of_32_bits_are_read_where_16_hold_them(values):
  data = saved(np.array([values], np.int32), 'TIFF')
  if max(values) <= 65535 and min(values) >= 0:
    np.testing.assert_array_equal(read(data).pixels[..., 0], [values])
  else:
    assert refusal(data).startswith(f'integers from {min(values):,} to {max(values):,}; accepted')


def test_dicom_is_read_with_its_patient_and_the_window_asked_for():
  path = pathlib.Path(pydicom.__file__).parent / 'data/test_files/MR_small.dcm'
  whole = pydicom.dcmread(path)
  [picture] = decode.read('a.png', path.read_bytes(), decode.Medical(window=(1000.5, 1001)))
  expected = np.clip((whole.pixel_array - 500) / 1000, 0, 1) * 65535
  np.testing.assert_allclose(picture.pixels[..., 0], expected, atol=0.51)
  assert picture.group.startswith('patient-')


def test_bits_that_a_detector_used_are_spread_over_all():
  values = np.array([[0, 1, 4095]], np.uint16)
  file = io.BytesIO()
  Image.fromarray(values).save(file, 'PNG')
  [picture] = decode.read('a.png', file.getvalue(), decode.Medical(bits=12))
  np.testing.assert_array_equal(picture.pixels[..., 0], [[0, 16, 65535]])
  assert picture.notes == ('12 bits to 16',)
  with pytest.raises(RefusedError, match='4,095, which 10 bits do not hold'):
    list(decode.read('a.png', file.getvalue(), decode.Medical(bits=10)))


def test_nifti_is_read_slice_by_slice_as_asked():
  volume = noise(5, 6, 7).astype(np.float32) + 1
  data = nib.Nifti1Image(volume, np.eye(4)).to_bytes()
  medical = decode.Medical(axis=0, slices=(1, 4), percentiles=(0, 100))
  pictures = list(decode.read('a/v.nii', data, medical))
  assert [picture.name for picture in pictures] == [f'a/v.nii#s000{i}' for i in (1, 2, 3)]
  least, greatest = volume.min(), volume.max()
  expected = np.rint((volume[2] - least) / (greatest - least) * 65535)
  np.testing.assert_allclose(pictures[1].pixels[::-1, ::-1, 0].T, expected, atol=1)
  assert {picture.group for picture in pictures} == {'a/v'}
