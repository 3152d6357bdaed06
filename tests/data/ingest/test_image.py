import contextlib
import io
import struct
import sys
import types
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, features

from gan_jax.data.ingest import deep, image, levels
from gan_jax.data.ingest.picture import RefusedError


def noise(*shape, dtype=np.uint8, seed=0):
  return np.random.default_rng(seed).integers(
    np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True
  )


def saved(pixels, kind='PNG', **options):
  file = io.BytesIO()
  (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(
    file, kind, **options
  )
  return file.getvalue()


def read(data, window=None):
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    return image.read('a', data, window)


def refusal(data, window=None):
  with pytest.raises(RefusedError) as refused:
    read(data, window)
  assert '\n' not in str(refused.value)
  return str(refused.value)


CODES = {1: 'B', 3: 'H', 4: 'I', 9: 'i', 10: 'i'}  # TIFF's types of numbers, as `struct` has them


def tiff(values, order='<', photometric=1, packed=False, tags=(), following=0):
  """A TIFF made by hand of `[H, W]` or `[H, W, C]`, of any type of numbers, in one strip."""
  stored = values.astype(values.dtype.newbyteorder(order)).tobytes()
  stored = zlib.compress(stored) if packed else stored
  samples = values.shape[2] if values.ndim > 2 else 1
  kind = {'u': 1, 'i': 2, 'f': 3}[values.dtype.kind]
  entries = {
    **{256: (4, [values.shape[1]]), 257: (4, [values.shape[0]]), 278: (4, [values.shape[0]])},
    **{258: (3, [8 * values.itemsize] * samples), 259: (3, [8 if packed else 1])},
    **{262: (3, [photometric]), 273: (4, [8]), 277: (3, [samples]), 279: (4, [len(stored)])},
    **{339: (3, [kind] * samples)},
    **dict(tags),
  }
  beside = rows = b''
  for tag, (code, numbers) in sorted(entries.items()):
    raw = struct.pack(f'{order}{len(numbers)}{CODES[code]}', *numbers)
    count = len(numbers) // (2 if code == 10 else 1)
    if len(raw) > 4:
      raw, beside = struct.pack(f'{order}I', 8 + len(stored) + len(beside)), beside + raw
    rows += struct.pack(f'{order}HHI', tag, code, count) + raw.ljust(4, b'\0')
  start = struct.pack(
    f'{order}2sHI', b'II' if order == '<' else b'MM', 42, 8 + len(stored + beside)
  )
  count, end = struct.pack(f'{order}H', len(entries)), struct.pack(f'{order}I', following)
  return start + stored + beside + count + rows + end


def windowed(values, centre, width):
  """PS3.3 C.11.2.1.2.1, to 0..65535."""
  return np.rint(np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 65535)


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('photometric', [1, 0])
@pytest.mark.parametrize('dtype', ['u2', 'i1', 'i2', 'u4', 'i4', 'f4', 'f8'])
def test_grey_tiffs_of_every_depth_are_read(dtype, photometric, order, packed):
  dtype = np.dtype(dtype)
  values = noise(5, 7, dtype=np.int8).astype(dtype)
  if dtype.itemsize == 1 and photometric == 0:  # which nothing writes
    refusal(tiff(values, order, photometric, packed))
    return
  if dtype.itemsize > 1:
    values[0, 0] = 3000
  picture = read(tiff(values, order, photometric, packed), window=(40, 400))
  expected = values.astype(float)
  if dtype != np.uint16:  # which are levels already
    expected = windowed(expected, 40, 400)
  expected = 65535 - expected if photometric == 0 else expected
  np.testing.assert_allclose(picture.pixels[..., 0], expected, atol=1 if dtype == 'f4' else 0)
  assert picture.pixels.dtype == np.uint16
  assert ('white is zero' in picture.notes) == (photometric == 0)
  assert ('window' in picture.notes) == (dtype != np.uint16)


def test_levels_need_no_window_and_all_else_asks_for_one():
  floats = np.random.default_rng(0).uniform(size=(5, 7))
  np.testing.assert_array_equal(read(tiff(floats)).pixels[..., 0], np.rint(floats * 65535))
  counts = noise(5, 7, dtype=np.uint16)
  np.testing.assert_array_equal(read(tiff(counts.astype(np.int32))).pixels[..., 0], counts)
  for values in (
    counts.astype('i4') - 40_000,
    counts.astype('f4'),
    floats - 0.5,
    np.full((5, 7), np.nan),
  ):
    assert refusal(tiff(values)).endswith(levels.MEND)
  holes = np.where(floats > 0.5, floats * 90, np.nan)
  shown = read(tiff(holes), window=(40, 100)).pixels[..., 0]
  np.testing.assert_array_equal(shown, np.nan_to_num(windowed(holes, 40, 100)))


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
@pytest.mark.parametrize('order', ['<', '>'])
def test_white_is_zero_at_any_depth(bits, order):
  values = noise(6, 8) & (2**bits - 1)
  packed = np.packbits(
    np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(6, -1), axis=1
  )
  sized = [(256, (4, [8])), (258, (3, [bits]))]
  picture = read(tiff(packed, order, 0, tags=sized))
  np.testing.assert_array_equal(picture.pixels[..., 0], 255 - values * (255 // (2**bits - 1)))


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('dtype', ['u1', 'u2', 'f8'])
def test_tiffs_of_every_depth_are_turned_alike(dtype, orientation):
  values = (np.arange(12).reshape(3, 4) * 20).astype(dtype)
  values = values / 255 if dtype == 'f8' else values
  exif = Image.Exif()
  exif[0x0112] = orientation
  expected = read(saved((np.arange(12).reshape(3, 4) * 20).astype(np.uint8), 'PNG', exif=exif))
  picture = read(tiff(values, tags=[(274, (3, [orientation]))]))
  found = picture.pixels // (257 if dtype == 'f8' else 1)
  np.testing.assert_array_equal(found, expected.pixels)
  assert ('turned by EXIF' in picture.notes) == (orientation > 1)


def test_colour_of_16_bits_in_a_tiff_says_that_it_becomes_8():
  values = noise(5, 7, 3, dtype=np.uint16)
  picture = read(tiff(values, '>', 2))
  np.testing.assert_allclose(picture.pixels, values / 257, atol=1)
  assert picture.notes == ('16 bits of colour to 8',)


@pytest.mark.parametrize(
  'values', [np.zeros((4, 4), 'f2'), np.zeros((4, 4, 2), 'u2'), np.zeros((4, 4), 'u8')]
)
def test_tiffs_of_other_layouts_are_refused_by_what_they_are(values):
  assert refusal(tiff(values)).startswith('a TIFF that is broken, or of a layout')


@pytest.mark.parametrize('packed', [False, True])
def test_a_deep_tiff_cut_short_is_refused(packed):
  whole = tiff(noise(40, 40, dtype=np.int16), packed=packed)
  assert read(whole, (0, 1000)).pixels.any()
  for length in (100, 1000, 2000):  # of the strip
    spoilt = tiff(noise(40, 40, dtype=np.int16), packed=packed, tags=[(257, (4, [80]))])
    assert refusal(spoilt, (0, 1000)).startswith('broken or truncated')
    assert refusal(whole[:length], (0, 1000))
  if packed:
    spoilt = whole[:8] + bytes(100) + whole[108:]
    assert refusal(spoilt, (0, 1000)) == 'broken or truncated'


def test_what_is_decoded_to_another_type_than_was_told_is_refused():
  with pytest.raises(RefusedError, match='broken or truncated'):
    deep.decoded(saved(noise(4, 4)), np.dtype(np.uint16))


def chunk(kind, data, spoilt=0):
  return (
    struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data) ^ spoilt)
  )


def png(rows, width, depth, colours, *chunks):
  """A PNG made by hand of packed rows."""
  head = struct.pack('>IIBBBBB', width, len(rows), depth, colours, 0, 0, 0)
  data = zlib.compress(b''.join(b'\0' + bytes(row) for row in rows))
  parts = [chunk(b'IHDR', head), *chunks, chunk(b'IDAT', data), chunk(b'IEND', b'')]
  return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


@pytest.mark.parametrize('depth', [1, 2, 4, 8])
def test_the_clear_grey_of_a_png_of_few_bits_is_clear(depth):
  values = noise(6, 8) & (2**depth - 1)
  values[2, 3], clear = 1, 1
  rows = np.packbits(np.unpackbits(values[..., None], axis=-1)[..., -depth:].reshape(6, -1), axis=1)
  picture = read(png(rows, 8, depth, 0, chunk(b'tRNS', struct.pack('>H', clear))))
  np.testing.assert_array_equal(picture.pixels[..., 0], values * (255 // (2**depth - 1)))
  np.testing.assert_array_equal(picture.pixels[..., 3], np.where(values == clear, 0, 255))


@pytest.mark.parametrize('dtype', ['>u1', '>u2'])
def test_the_clear_colour_of_a_png_is_one_colour_alone(dtype):
  values = noise(6, 8, 3).astype(int) * (257 if dtype == '>u2' else 1) // 2
  values = values.astype(dtype)
  values[1, 1] = values[0, 0]
  values[1, 1, 2] += 1  # in 16 bits: the same in 8
  clear = values[0, 0].astype('>u2').tobytes()
  data = png([row.tobytes() for row in values], 8, 8 * values.itemsize, 2, chunk(b'tRNS', clear))
  alpha = np.where((values == values[0, 0]).all(-1), 0, 255)
  np.testing.assert_array_equal(read(data).pixels[..., 3], alpha)
  absent = np.array([values.max() + 1, 0, 3], '>u2').tobytes()
  data = png([row.tobytes() for row in values], 8, 8 * values.itemsize, 2, chunk(b'tRNS', absent))
  assert read(data).pixels.shape == (6, 8, 3)


def deep_png(values):
  colours = {2: 4, 4: 6}[values.shape[-1]]
  return png([row.astype('>u2').tobytes() for row in values], values.shape[1], 16, colours)


def test_grey_of_16_bits_keeps_them_beside_alpha_that_says_nothing():
  values = noise(6, 8, 2, dtype=np.uint16)
  for alpha in (0, 65535):
    values[..., 1] = alpha
    picture = read(deep_png(values))
    np.testing.assert_array_equal(picture.pixels, values[..., :1])
    assert picture.pixels.dtype == np.uint16
  values[0, 0, 1] = 300
  picture = read(deep_png(values))
  expected = np.rint(values[..., [0, 0, 0, 1]] / 257)
  np.testing.assert_array_equal(picture.pixels, expected)
  assert picture.notes == ('transparency made a channel', '16 bits of colour to 8')


@pytest.mark.parametrize('kind', ['PNG', 'BMP', 'TGA', 'WEBP', 'TIFF', 'ICO', 'deep PNG', 'GIF'])
@pytest.mark.parametrize('alpha', [0, 255, 'some'])
def test_alpha_that_says_nothing_is_dropped_in_any_format(kind, alpha):
  if kind == 'GIF' and alpha == 0:
    pytest.skip('its writer has no colours that are not seen')
  pixels = noise(16, 16, 4) // 128 * 255
  if alpha != 'some':
    pixels[..., 3] = alpha
  if kind == 'deep PNG':
    data = deep_png(pixels.astype(np.uint16) * 257)
  elif kind == 'BMP':  # Pillow writes none with alpha: that of Windows 95 on, with its four masks
    masks = struct.pack('<IIII', 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    head = struct.pack('<IiiHHIIiiII', 108, 16, -16, 1, 32, 3, 1024, 0, 0, 0, 0) + masks + bytes(52)
    data = b'BM' + struct.pack('<IHHI', 1146, 0, 0, 122) + head + pixels.tobytes()
  else:
    data = saved(pixels, kind, **({'lossless': True, 'exact': True} if kind == 'WEBP' else {}))
  found = read(data).pixels
  if alpha != 'some':
    assert found.shape == (16, 16, 3)
    np.testing.assert_array_equal(found, pixels[..., :3])
  else:
    assert found.shape == (16, 16, 4)
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])
    seen = pixels[..., 3] > 0
    np.testing.assert_array_equal(found[seen], pixels[seen])


def test_an_image_of_nothing_stays_one_of_nothing():
  assert read(saved(np.zeros((4, 5, 4), np.uint8))).pixels.shape == (4, 5, 4)


EXIF = Image.Exif()
EXIF[0x0112] = 6
TURNED = EXIF.tobytes()
PIXELS = noise(12, 16, 3)
LARGE = PIXELS.repeat(8, 0).repeat(8, 1)


def in_png(*parts, behind=False):
  data = saved(PIXELS)
  place = len(data) - 12 if behind else 33
  return data[:place] + b''.join(parts) + data[place:]


def in_jpeg(marker, body, exif=None):
  data = saved(LARGE, 'JPEG', quality=95, **({'exif': exif} if exif else {}))
  return data[:2] + bytes([0xFF, marker]) + struct.pack('>H', len(body) + 2) + body + data[2:]


def in_tiff(tag, code, numbers, following=0):
  return tiff(PIXELS, photometric=2, tags=[(tag, (code, numbers))], following=following)


def gif_of_two_frames():
  frames = [Image.fromarray(noise(12, 16, seed=i)) for i in range(2)]
  return saved(frames[0], 'GIF', save_all=True, append_images=frames[1:])


SPOILT = {
  'a text whose checksum is wrong': in_png(chunk(b'tEXt', b'a\0b', spoilt=1)),
  'a profile that is no profile': in_png(chunk(b'iCCP', b'x\0\0nothing')),
  'a size of pixels cut short': in_png(chunk(b'pHYs', b'\0')),
  'primaries cut short': in_png(chunk(b'cHRM', b'\0\0\0')),
  'an animation of no frames': in_png(chunk(b'acTL', b'\0'), behind=True),
  'a frame out of order': in_png(chunk(b'acTL', b'\0\0\0\2' * 2), chunk(b'fcTL', b'\1' * 26)),
  'EXIF of a PNG cut short': in_png(chunk(b'eXIf', TURNED[6:20])),
  'EXIF of a PNG that is noise': in_png(chunk(b'eXIf', bytes(range(40)))),
  'JFIF cut short': in_jpeg(0xE0, b'JFIF\0'),
  "Adobe's marker cut short": in_jpeg(0xEE, b'Adobe\0'),
  'resources of Photoshop cut short': in_jpeg(0xED, b'Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\x10\0'),
  'EXIF of a JPEG that is noise': in_jpeg(0xE1, b'Exif\0\0' + bytes(range(90))),
  'EXIF whose directory is beyond its end': in_jpeg(0xE1, b'Exif\0\0II*\0\xff\xff\0\0'),
  'several images of one': in_jpeg(0xE2, b'MPF\0II*\0\x08\0\0\0\xff\xff'),
  'XMP of a TIFF as numbers': in_tiff(700, 4, [1, 2, 3]),
  'EXIF of a TIFF at a place before it': in_tiff(34665, 9, [-1]),
  'a resolution below nothing': in_tiff(282, 10, [-5, 1]),
  'a second image beyond the end': in_tiff(305, 4, [1], following=2**31),
  'EXIF of a WebP cut short': saved(PIXELS, 'WEBP', lossless=True, exif=TURNED[:9]),
  'a profile of a WebP that is noise': saved(PIXELS, 'WEBP', lossless=True, icc_profile=b'noise'),
  'a second frame cut short': gif_of_two_frames()[:-40],
}  # fmt: skip


@pytest.mark.parametrize('what', SPOILT)
def test_what_is_spoilt_beside_the_pixels_does_not_cost_the_image(what):
  data = SPOILT[what]
  found = read(data).pixels
  if data.startswith(b'\xff\xd8'):
    expected = np.asarray(Image.open(io.BytesIO(saved(LARGE, 'JPEG', quality=95))))
  elif data.startswith(b'GIF'):
    expected = noise(12, 16, seed=0)[..., None]
    found = found[..., :1]
  else:
    expected = PIXELS
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
  'data',
  [
    in_png(chunk(b'eXIf', TURNED[6:]), chunk(b'pHYs', b'\0')),
    in_png(chunk(b'eXIf', TURNED[6:]), chunk(b'tEXt', b'a\0b', spoilt=1)),
    tiff(PIXELS, photometric=2, tags=[(274, (3, [6])), (34665, (9, [-1]))]),
    tiff(PIXELS, photometric=2, tags=[(274, (3, [6])), (700, (4, [1, 2, 3]))]),
  ],
)
def test_an_image_is_turned_though_something_else_is_spoilt(data):
  picture = read(data)
  np.testing.assert_array_equal(picture.pixels, PIXELS.swapaxes(0, 1)[:, ::-1])
  assert 'turned by EXIF' in picture.notes
  of_png = data.startswith(b'\x89PNG')  # which Pillow by itself stops at
  assert ('bad metadata left aside' in picture.notes) == of_png


def test_a_jpeg_is_turned_though_something_else_is_spoilt():
  plain = read(saved(LARGE, 'JPEG', quality=95, exif=TURNED))
  assert plain.pixels.shape == (128, 96, 3)
  picture = read(in_jpeg(0xED, b'Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\x10\0', exif=TURNED))
  np.testing.assert_array_equal(picture.pixels, plain.pixels)


@pytest.mark.parametrize('most', [11, 12])
@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_an_image_may_have_as_many_pixels_as_are_said_and_none_more(monkeypatch, kind, most):
  monkeypatch.setattr(image, 'MAX_PIXELS', most)
  data = saved(noise(3, 4), 'PNG') if kind == 'PNG' else tiff(noise(3, 4, dtype=np.uint16))
  if most < 12:
    assert refusal(data).startswith('4x3 pixels')
  else:
    assert read(data).pixels.shape == (3, 4, 1)


@pytest.mark.parametrize('value', [6, [6, 1], '6', b'6', 66, 2.5])
def test_an_orientation_that_is_no_orientation_is_left_aside(value):
  exif = Image.Exif()
  exif[0x0112] = value
  with contextlib.suppress(TypeError, struct.error):  # what cannot be written
    picture = read(saved(PIXELS, exif=exif))
    turned = PIXELS.swapaxes(0, 1)[:, ::-1]
    np.testing.assert_array_equal(picture.pixels, turned if value in (6, [6, 1]) else PIXELS)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'TIFF', 'GIF'])
def test_noise_beside_the_pixels_changes_none_of_them(kind):
  """Whatever EXIF, a profile or a text hold: the same pixels, turned or not."""
  rng = np.random.default_rng(0)
  pixels = noise(12, 16) if kind == 'GIF' else PIXELS
  plain = read(saved(pixels, kind, **({'lossless': True} if kind == 'WEBP' else {}))).pixels
  for _ in range(60):
    exif = bytearray(TURNED)
    exif[rng.integers(6, len(exif))] = rng.integers(256)
    options = {'exif': bytes(exif[: rng.integers(8, len(exif) + 1)])}
    options |= {'icc_profile': rng.bytes(rng.integers(200))} if kind != 'GIF' else {}
    options |= {'comment': rng.bytes(20)} if kind in ('GIF', 'JPEG') else {}
    options |= {'xmp': rng.bytes(30)} if kind in ('JPEG', 'WEBP') else {}
    options |= {'lossless': True} if kind == 'WEBP' else {}
    if kind in ('TIFF', 'GIF'):
      del options['exif']
    found = read(saved(pixels, kind, **options)).pixels
    found = found if found.shape == plain.shape else found[:, ::-1].swapaxes(0, 1)
    assert np.array_equal(np.sort(found, None), np.sort(plain, None))


def test_formats_that_need_more_are_named_with_what_to_do():
  head = lambda brand: struct.pack('>I', 24) + b'ftyp' + brand + bytes(4) + b'mif1heic' + bytes(40)
  assert 'pip install pillow-heif' in refusal(head(b'heic'))
  assert 'pip install pillow-heif' in refusal(head(b'mif1'))
  assert refusal(b'\xff\x0a' + bytes(90)).startswith('JPEG XL')
  assert refusal(b'\0\0\0\x0cJXL \r\n\x87\n' + bytes(90)).startswith('JPEG XL')
  assert (
    not features.check('avif') or read(saved(LARGE, 'AVIF', quality=90)).pixels.shape == LARGE.shape
  )


def test_heic_is_read_where_the_package_for_it_is(monkeypatch):
  registered = []
  package = types.SimpleNamespace(register_heif_opener=lambda: registered.append(True))
  monkeypatch.setitem(sys.modules, 'pillow_heif', package)
  refusal(struct.pack('>I', 24) + b'ftypheic' + bytes(60))
  assert registered == [True]
