"""Images of six formats, against Pillow."""

import io

import numpy as np
from PIL import Image, ImageOps

from tests.data.ingest.mutations.changing import ALONE, READ, require


def noise(rng, *shape, dtype=np.uint8):
  return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def some_image(rng, kinds):
  size = tuple(rng.integers(1, 24, 2))
  kind = rng.choice(kinds)
  if kind == '16':
    return Image.fromarray(noise(rng, *size, dtype=np.uint16))
  if kind == '1':
    return Image.fromarray(noise(rng, *size) > 99)
  if kind == 'F':
    return Image.fromarray(rng.uniform(size=size).astype(np.float32))
  if kind == 'P':
    return Image.fromarray(noise(rng, *size, 3)).quantize(int(rng.integers(2, 99)))
  image = Image.fromarray(noise(rng, *size, 4)).convert(kind)
  return image


def saved(kind, kinds, **options):
  def make(rng):
    file = io.BytesIO()
    chosen = {key: value(rng) if callable(value) else value for key, value in options.items()}
    exif = Image.Exif()
    exif[0x0112] = int(rng.integers(1, 9))
    if kind in ('PNG', 'JPEG', 'WEBP') and rng.random() < 0.5:
      chosen['exif'] = exif.tobytes()
    some_image(rng, kinds).save(file, kind, **chosen)
    return file.getvalue()

  return make


def of_pillow(data):
  """Pixels `[H, W, 4]` over 0..255 by Pillow alone; None where it cannot tell."""
  with Image.open(io.BytesIO(data)) as file:
    png = file.format == 'PNG'
    packed = file.format == 'TIFF' and file.tag_v2.get(259, 1) != 1
    inverted = file.format == 'TIFF' and file.tag_v2.get(262) == 0
    signed = file.format == 'TIFF' and 2 in file.tag_v2.get(339, (1,))
    file.load()
    few = png and data[24] < 8 and 'transparency' in file.info  # whose value Pillow does not spread
    swapped = packed and data[:2] == b'MM'  # which it reads the wrong way round
    try:
      image = ImageOps.exif_transpose(file)
    except Exception:
      return None
  mode = image.mode
  if few or (swapped and mode in ('I', 'F')) or (signed and mode == 'L'):
    return None
  if mode.startswith('I;16') or mode in ('I', 'F'):
    values = np.asarray(image)[:: every(image)].astype(np.float64)
    if mode == 'F':
      values = values * 65535
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
      return 'no levels'
    if inverted:
      values = 65535 - values
    grey = np.rint(values / 257)
    alpha = np.full_like(grey, 255)
    if 'transparency' in image.info:
      alpha[np.asarray(image)[:: every(image)] == image.info['transparency']] = 0
    return np.stack([grey, grey, grey, alpha], -1)
  return np.asarray(image.convert('RGBA'))[:: every(image)].astype(np.float64)


def every(image):
  """Of which rows of an image one is compared: all of it but of the largest."""
  return 1 + int(np.prod(np.asarray(image).shape[:2])) // 2**20


def try_image(data, name):
  picture = next(decode_all(name, data))
  found = as_rgba(picture.pixels[:: every(picture.pixels)])
  try:
    expected = of_pillow(data)
  except Exception as error:
    require('bad metadata left aside' in picture.notes, f'read, where Pillow says {error!r}')
    return ALONE
  if expected is None:
    return ALONE
  require(not isinstance(expected, str), 'values that are no levels are read')
  require(found.shape == expected.shape, f'{found.shape} and not {expected.shape}')
  if picture.pixels.shape[-1] < 4:  # alpha is left out where it says nothing
    alpha = expected[..., 3]
    require(alpha.min() == 255 or alpha.max() == 0, 'alpha is lost')
    found[..., 3] = alpha
  require(np.abs(found - expected).max() <= 1, f'other pixels, by {np.abs(found - expected).max()}')
  return READ


def as_rgba(pixels):
  values = np.rint(pixels / 257) if pixels.dtype == np.uint16 else pixels
  values = values.astype(np.float64)
  if values.shape[-1] == 1:
    values = np.repeat(values, 3, -1)
  if values.shape[-1] == 3:
    values = np.concatenate([values, np.full((*values.shape[:2], 1), 255.0)], -1)
  return values


def decode_all(name, data):
  from gan_jax.data.ingest import decode

  return decode.read(name, data, decode.Medical())


IMAGES = {
  'PNG': saved('PNG', ['1', 'L', 'LA', 'RGB', 'RGBA', 'P', '16']),
  'JPEG': saved('JPEG', ['L', 'RGB', 'CMYK']),
  'TIFF': saved(
    'TIFF',
    ['1', 'L', 'RGB', 'RGBA', 'P', '16', 'F'],
    compression=lambda rng: str(rng.choice(['raw', 'tiff_lzw', 'tiff_adobe_deflate'])),
  ),
  'WEBP': saved('WEBP', ['RGB', 'RGBA'], lossless=lambda rng: bool(rng.integers(2))),
  'GIF': saved('GIF', ['L', 'RGB', 'P']),
  'BMP': saved('BMP', ['1', 'L', 'RGB', 'P']),
}
