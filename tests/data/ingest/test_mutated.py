"""Files of every kind with some of their bytes changed: read right, or refused by name, and soon.

A few of them in the suite; GAN_JAX_MUTATIONS=2000 tries that many. The files are tried in a process
of their own, which what is written in C may bring down, and which counts its time and memory.
"""

import contextlib
import faulthandler
import gzip
import io
import json
import os
import pathlib
import pickle
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import safetensors.numpy
from PIL import Image, ImageOps
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  RLELossless,
)

ROOT = pathlib.Path(__file__).parents[3]
MUTATIONS = int(os.environ.get('GAN_JAX_MUTATIONS', '57'))
SECONDS, BYTES = 10, 2**31  # for one file
# How a file went: like an independent reader's, with none to compare with, or refused by name.
READ, ALONE, REFUSED = 'read', 'read alone', 'refused'


class WrongError(AssertionError):
  """What was read is not what is there."""


def require(right, what):
  if not right:
    raise WrongError(what)


# What is done to a file.


def mutated(data, rng):
  """Changes, cuts, repeats or puts in some bytes, once or a few times."""
  for _ in range(rng.choice([1, 1, 1, 2, 3])):
    data = bytearray(data)
    near = min(len(data), 300) if rng.random() < 0.5 else len(data)  # its header, or anywhere
    at = int(rng.integers(max(1, near)))
    size = int(rng.integers(1, 40))
    how = rng.integers(7)
    if how == 0:
      for place in rng.integers(max(1, near), size=size // 10 + 1):
        data[place : place + 1] = rng.bytes(1)
    elif how == 1:
      data[at : at + 1] = bytes([data[at] ^ (1 << int(rng.integers(8)))]) if data else b''
    elif how == 2:
      del data[-int(rng.integers(1, size + 1 if rng.random() < 0.5 else len(data) + 2)) :]
    elif how == 3:
      del data[at : at + size // 8 + 1]
    elif how == 4:
      data[at:at] = data[at : at + size] * int(rng.integers(1, 5))
    elif how == 5:
      data[at : at + size] = bytes(size) if rng.random() < 0.5 else rng.bytes(size)
    else:  # a length, a count or a place
      kind = rng.choice(['<H', '>H', '<I', '>I', '<Q', '>Q'])
      top = 2 ** (8 * struct.calcsize(kind)) - 1
      value = [0, 1, top, top // 2, top // 2 + 1, int(rng.integers(2**31))][rng.integers(6)]
      data[at : at + struct.calcsize(kind)] = struct.pack(kind, min(value, top))
  return bytes(data)


def with_checksums(data, rng):
  """A PNG whose chunks agree with their checksums again, so that more than those is tried."""
  if rng.random() < 0.4:
    return data
  parts, place = [data[:8]], 8
  while place + 12 <= len(data):
    (length,) = struct.unpack_from('>I', data, place)
    body = data[place + 4 : place + 8 + length]
    parts.append(data[place : place + 4] + body + struct.pack('>I', zlib.crc32(body)))
    place += 12 + length
  return b''.join(parts)


# Images, against Pillow.


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


# Of medicine, against pydicom and nibabel.


def some_dicom(rng):
  dataset = Dataset()
  dataset.file_meta = FileMetaDataset()
  dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
  dataset.SOPClassUID, dataset.SOPInstanceUID = '1.2.840.10008.5.1.4.1.1.7', '1.2.3'
  dataset.PatientID, dataset.StudyInstanceUID = 'P1', '1.2'
  signed, count = int(rng.integers(2)), int(rng.integers(1, 3))
  pixels = rng.integers(-900 * signed, 3000, (count, *rng.integers(2, 20, 2)))
  dataset.NumberOfFrames = count
  dataset.Rows, dataset.Columns = pixels.shape[1:]
  dataset.SamplesPerPixel = 1
  dataset.PhotometricInterpretation = rng.choice(['MONOCHROME1', 'MONOCHROME2'])
  dataset.BitsAllocated = dataset.BitsStored = 16
  dataset.HighBit, dataset.PixelRepresentation = 15, signed
  if rng.random() < 0.5:
    dataset.WindowCenter, dataset.WindowWidth = '40', '400'
  if rng.random() < 0.5:
    dataset.RescaleSlope, dataset.RescaleIntercept = '2', '-1000'
  if rng.random() < 0.3:
    dataset.add_new('PixelPaddingValue', 'SS' if signed else 'US', int(pixels[0, 0, 0]))
  dataset.PixelData = pixels.astype('<i2' if signed else '<u2').tobytes()
  file = io.BytesIO()
  how = rng.integers(5)
  if how == 0:
    dataset.compress(RLELossless)
  dataset.file_meta.TransferSyntaxUID = (
    RLELossless,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    *[ExplicitVRLittleEndian] * 2,
  )[how]
  pydicom.dcmwrite(file, dataset, enforce_file_format=True)
  return file.getvalue()[132 if how == 4 else 0 :]


def of_pydicom(data):
  """Frames over 0..65535 by pydicom's pixels and the standard's formulas; None: cannot tell."""
  dataset = pydicom.dcmread(io.BytesIO(data), force=True)
  if dataset.file_meta.get('TransferSyntaxUID') is None:
    implicit, little = dataset.original_encoding
    dataset.file_meta.TransferSyntaxUID = (
      ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    if not little:
      return None
  kind = dataset.PhotometricInterpretation
  stored = dataset.pixel_array
  if kind not in ('MONOCHROME1', 'MONOCHROME2') or 'VOILUTSequence' in dataset:
    return None
  stored = stored if stored.ndim > 2 else stored[None]
  if len(stored) != int(
    dataset.get('NumberOfFrames') or 1
  ):  # it takes what is there for more frames
    return None
  number = lambda key, default: (
    default if dataset.get(key) in (None, '') else float(dataset[key].value)
  )
  values = stored * number('RescaleSlope', 1.0) + number('RescaleIntercept', 0.0)
  padding = dataset.get('PixelPaddingValue')
  out = np.zeros(stored.shape, bool) if padding is None else stored == padding
  try:
    centre, width = number('WindowCenter', None), number('WindowWidth', None)
  except (ValueError, TypeError):
    centre = width = None
  if centre is None or width is None or not (np.isfinite([centre, width]).all() and width > 0):
    inside = values[~out]
    if not inside.size or inside.min() == inside.max():
      return np.zeros(stored.shape)
    levels = (values - inside.min()) / (inside.max() - inside.min())
  elif width > 1:
    levels = (values - (centre - 0.5)) / (width - 1) + 0.5
  else:
    return None
  levels = np.clip(levels, 0, 1)
  levels = 1 - levels if kind == 'MONOCHROME1' else levels
  return np.rint(np.where(out, 0, levels) * 65535)


def try_dicom(data, name):
  from gan_jax.data.ingest.picture import RefusedError

  found = []
  with contextlib.suppress(RefusedError):  # of a later frame
    found = [next(pictures := decode_all(name, data))]
    found += list(pictures)
  if not found:
    list(decode_all(name, data))  # its refusal
  try:
    expected = of_pydicom(data)
  except Exception:  # it reads all frames or none
    expected = None
  if expected is None or found[0].pixels.shape[-1] > 1:
    return ALONE
  require(len(found) <= len(expected), f'{len(found)} frames of {len(expected)}')
  for picture, frame in zip(found, expected, strict=False):
    require(picture.pixels.shape[:2] == frame.shape, 'another shape')
    require(np.abs(picture.pixels[..., 0] - frame).max() <= 1, 'other pixels than of pydicom')
  return READ


def some_nifti(rng):
  shape = tuple(rng.integers(2, 12, 3)) + ((2,) if rng.random() < 0.3 else ())
  dtype = rng.choice(['u1', 'i2', 'f4', '>i2'])
  volume = rng.integers(1, 200, shape).astype(dtype)
  kind = nib.Nifti1Image if rng.random() < 0.7 else nib.Nifti2Image
  affine = np.diag([*rng.choice([-1.0, 1.0, 2.0], 3), 1])[[*rng.permutation(3).tolist(), 3]]
  data = kind(volume, affine).to_bytes()
  return gzip.compress(data) if rng.random() < 0.3 else data


def try_nifti(data, name):
  found = list(decode_all(name, data))
  raw = gzip.decompress(data) if data[:2] == b'\x1f\x8b' else data
  kind = nib.Nifti1Image if raw[344:347] == b'n+1' else nib.Nifti2Image
  image = kind.from_bytes(raw)
  if image.get_data_dtype().fields or image.ndim < 3:
    return ALONE
  image = nib.as_closest_canonical(image)
  volumes = np.asarray(image.dataobj, np.float64).astype(np.float32)
  volumes = volumes.reshape((*volumes.shape, 1, 1)[: max(3, volumes.ndim)])
  series = volumes.ndim > 3 and volumes.shape[3] > 1
  for picture in found:
    part = picture.name.split('#')[1]
    volume, place = part[1:].split('s') if series else (0, part[1:])
    whole = volumes[..., int(volume), *[0] * (volumes.ndim - 4)] if volumes.ndim > 3 else volumes
    inside = whole[np.isfinite(whole) & (whole != 0)]
    least, greatest = np.percentile(inside, (0.5, 99.5))
    if least == greatest:
      least, greatest = min(least, 0), max(greatest, 0)
    with np.errstate(all='ignore'):
      levels = np.clip((whole[:, :, int(place)] - least) / (greatest - least), 0, 1)
    expected = np.nan_to_num(levels, nan=0, posinf=0, neginf=0)
    expected[~np.isfinite(whole[:, :, int(place)])] = 0
    pixels = picture.pixels[::-1, ::-1, 0].T / 65535
    require(pixels.shape == expected.shape, 'another shape')
    require(np.abs(pixels - expected).max() < 1e-3, 'other voxels than of nibabel')
  return READ


# Archives and arrays, against what was put in and NumPy.


def members(seed=0):
  rng = np.random.default_rng(seed)
  pixels = {f'{kind}/{i}.png': noise(rng, 5, 4, 3) for kind in 'ab' for i in range(2)}
  files = {}
  for name, values in pixels.items():
    file = io.BytesIO()
    Image.fromarray(values).save(file, 'PNG')
    files[name] = file.getvalue()
  return pixels, files


def some_zip(rng):
  file = io.BytesIO()
  how = zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED
  with zipfile.ZipFile(file, 'w', how) as archive:
    for name, data in members()[1].items():
      archive.writestr(name, data)
  return file.getvalue()


def some_tar(rng):
  file = io.BytesIO()
  with tarfile.open(fileobj=file, mode=str(rng.choice(['w', 'w:gz', 'w:xz', 'w:bz2']))) as archive:
    for name, data in members()[1].items():
      info = tarfile.TarInfo(name)
      info.size = len(data)
      archive.addfile(info, io.BytesIO(data))
  return file.getvalue()


def opened(data, name):
  from gan_jax.data.ingest import sources

  path = pathlib.Path(tempfile.mkdtemp(), name)
  path.write_bytes(data)
  return sources.open_source(str(path), '', None)


def each(source):
  """Pictures of all files of a source; those that are refused are left out, as `prepare` does."""
  from gan_jax.data.ingest import prepare
  from gan_jax.data.ingest.options import Options
  from gan_jax.data.ingest.picture import RefusedError

  for file in source.files:
    with contextlib.suppress(RefusedError):
      for picture in prepare._pictures(file, Options('', '', ''), b'salt'):
        yield file, picture


def try_archive(data, name):
  known = list(members()[0].values())
  read = 0
  for read, (file, picture) in enumerate(each(opened(data, name)), 1):  # noqa: B007
    require(
      any(np.array_equal(picture.pixels, pixels) for pixels in known), f'{file.name} is other'
    )
  return READ if read else REFUSED


def some_array(rng):
  shape = (int(rng.integers(1, 5)), *rng.integers(2, 9, 2), *rng.choice([[1], [3], [4]]))
  dtype = rng.choice(['u1', '<u2', '>u2', 'f4'])
  return (rng.uniform(size=shape) * (1 if dtype == 'f4' else 255)).astype(dtype)


def some_npy(rng):
  file = io.BytesIO()
  np.save(file, some_array(rng))
  return file.getvalue()


def some_npz(rng):
  file, images = io.BytesIO(), some_array(rng)
  save = np.savez if rng.random() < 0.5 else np.savez_compressed
  save(file, images=images, labels=np.arange(len(images)))
  return file.getvalue()


def try_arrays(data, name):
  source = opened(data, name)
  found = [(file, picture) for file, picture in each(source)]
  loaded = np.load(io.BytesIO(data), allow_pickle=False)
  images = loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
  images = images.reshape((*images.shape, 1)[:4])
  for file, picture in found:
    values = images[int(file.name)].astype(np.float64)
    top = {'f': 1, 'u': np.iinfo(images.dtype).max if images.dtype.kind == 'u' else 1}
    expected = as_rgba(values / top[images.dtype.kind] * 255)
    pixels = as_rgba(picture.pixels)
    require(np.abs(pixels[..., :3] - expected[..., :3]).max() <= 1, 'other values than of NumPy')
  return READ if found else REFUSED


# Tables, against pandas and json.

NAMES = [f'{i}.png' for i in range(6)]


def some_csv(rng):
  rows = [f'{name},{"ab"[i % 2]},"s {i}, {rng.integers(9)}"' for i, name in enumerate(NAMES)]
  return '\n'.join(['file,label,site', *rows, '']).encode()


def try_csv(data, name):
  table = of_table(data, name)
  separator = max(',;\t', key=data.decode('utf-8-sig').split('\n', 1)[0].count)
  compared = 0
  with contextlib.suppress(pd.errors.ParserError, pd.errors.EmptyDataError, ValueError):
    frame = pd.read_csv(
      io.BytesIO(data), sep=separator, dtype=str, keep_default_na=False, encoding='utf-8-sig'
    )
    names = [column.strip() for column in frame.columns]
    key = next(i for i, n in enumerate(names) if n.lower() in ('file', 'filename', 'name', 'image'))
    expected = {}
    for row in frame.itertuples(index=False):
      expected[str(row[key]).strip()] = {as_unix(str(cell)).strip() for cell in row}
    for row_name, row in table.rows.items():
      if row_name in table.repeated or row_name not in expected:
        continue  # of a name that pandas has escaped or read otherwise
      compared += 1
      values = {value for value in row.values() if value}  # whose ends of lines are those of Unix
      require(values <= expected[row_name], f'{row_name}: {values} and not {expected[row_name]}')
  return READ if compared else ALONE


def as_unix(text):
  return text.replace('\r\n', '\n').replace('\r', '\n')


def some_json(rng):
  form = rng.integers(3)
  pairs = [[name, int(rng.integers(3))] for name in NAMES]
  rows = [{'file': name, 'label': 'ab'[value % 2], 'age': value} for name, value in pairs]
  return json.dumps([{'labels': pairs}, dict(pairs), rows][form]).encode()


def try_json(data, name):
  table = of_table(data, name)
  text = json.dumps(json.loads(data.decode('utf-8-sig')))
  for row_name, row in table.rows.items():  # a name may be the short one of an image
    for value in (row_name.removesuffix('.png'), *row.values()):
      require(json.dumps(value)[1:-1] in text or value in ('', '0', '1'), f'{value!r} is not there')
  return READ


def of_table(data, name):
  from gan_jax.data.ingest import labels

  path = pathlib.Path(tempfile.mkdtemp(), name)
  path.write_bytes(data)
  return labels.read_table(str(path), '', NAMES)


# Weights, against the bytes that are there.


def some_safetensors(rng):
  tensors = {f'w{i}': rng.normal(size=(3, 4)).astype(np.float32) for i in range(3)}
  return safetensors.numpy.save(tensors)


def try_weights(data, name):
  from gan_jax.errors import UserError
  from gan_jax.features import weights

  path = pathlib.Path(tempfile.mkdtemp(), name)
  path.write_bytes(data)
  try:
    state = weights._read(str(path))
  except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
    raise UserError(str(error)) from error  # as `read_weights` does with these
  for key, array in state.items():
    require(array.tobytes() in data, f'{key} holds what the file does not')
  return READ


FloatStorage = type('FloatStorage', (), {})


def _rebuild_tensor_v2(*_): ...


class Tensor:
  def __init__(self, base):
    self.base = base

  def __reduce__(self):
    strides = tuple(s // self.base.itemsize for s in self.base.strides)
    return _rebuild_tensor_v2, (self.base, 0, self.base.shape, strides, False, {})


class TorchPickler(pickle.Pickler):
  def persistent_id(self, obj):
    if isinstance(obj, np.ndarray):
      self.stored[str(len(self.stored))] = obj
      return 'storage', FloatStorage, str(len(self.stored) - 1), 'cpu', obj.size
    return None


def some_torch(rng):
  state = {f'w{i}': Tensor(rng.normal(size=(3, 4)).astype(np.float32)) for i in range(3)}
  file = io.BytesIO()
  pickler = TorchPickler(file, protocol=2)
  pickler.stored = {}
  pickler.dump(state)
  here = f'c{__name__}\n'.encode()
  text = file.getvalue().replace(here + b'_rebuild', b'ctorch._utils\n_rebuild')
  text = text.replace(here, b'ctorch\n')
  out = io.BytesIO()
  if rng.random() < 0.5:
    with zipfile.ZipFile(out, 'w') as archive:
      archive.writestr('w/data.pkl', text)
      for key, base in pickler.stored.items():
        archive.writestr(f'w/data/{key}', base.tobytes())
    return out.getvalue()
  for value in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True}):
    pickle.dump(value, out, protocol=2)
  out.write(text)
  pickle.dump(list(pickler.stored), out, protocol=2)
  for base in pickler.stored.values():
    out.write(base.size.to_bytes(8, 'little') + base.tobytes())
  return out.getvalue()


# A prepared dataset, against what was put in.


class Prepared:
  """A dataset of some images, of which the file of one split is replaced by another."""

  def __init__(self):
    from gan_jax.data.ingest import prepare
    from gan_jax.data.ingest.options import Options

    root = pathlib.Path(tempfile.mkdtemp())
    self.pixels, files = members()
    for name, data in files.items():
      (root / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
      (root / 'images' / name).write_bytes(data)
    asked = Options(str(root / 'images'), 'own', str(root / 'data'), split={'train': 1.0})
    self.folder = pathlib.Path(prepare.prepare(asked._replace(labels='folders'), None).folder)
    [self.path] = self.folder.glob('*.array_record*')
    self.data = self.path.read_bytes()

  def try_records(self, data, name):
    import tensorflow_datasets as tfds

    from gan_jax.data import source

    self.path.write_bytes(data)
    builder = tfds.builder_from_directory(self.folder)
    dataset = source.ImageDataset(builder, 'train', (5, 4), 64)
    found = dataset.fetch(range(len(dataset)))
    require(len(found['image']) <= len(self.pixels), 'images that nobody put in')
    for image, label in zip(found['image'], found['label'], strict=True):
      names = [name for name, pixels in self.pixels.items() if np.array_equal(image, pixels)]
      require(names, 'other pixels than were put in')
      require(names[0][0] == 'ab'[label], 'another class')
    return READ


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


def all_kinds():
  """For each kind of files: name, one that is whole, and what tries another."""
  prepared = Prepared()
  return {
    **{kind: ('a', make, try_image) for kind, make in IMAGES.items()},
    'DICOM': ('a.dcm', some_dicom, try_dicom),
    'NIfTI': ('a.nii', some_nifti, try_nifti),
    'zip': ('a.zip', some_zip, try_archive),
    'tar': ('a.tar', some_tar, try_archive),
    'npz': ('a.npz', some_npz, try_arrays),
    'npy': ('a.npy', some_npy, try_arrays),
    'CSV': ('a.csv', some_csv, try_csv),
    'JSON': ('a.json', some_json, try_json),
    'safetensors': ('a.safetensors', some_safetensors, try_weights),
    'torch': ('a.pth', some_torch, try_weights),
    'ArrayRecord': ('a', lambda rng: prepared.data, prepared.try_records),
  }


def try_one(kind, seed, name, make, attempt):
  """Tries one file; returns how it went: read, refused, or what is wrong."""
  from gan_jax.data.ingest.picture import RefusedError
  from gan_jax.errors import UserError

  rng = np.random.default_rng([seed, *kind.encode()])
  whole = make(rng)
  data = mutated(whole, rng) if seed else whole  # the first is as it was
  data = with_checksums(data, rng) if kind == 'PNG' else data
  begun = time.process_time()
  try:
    how = attempt(data, name)
  except (RefusedError, UserError) as error:
    how = REFUSED
    if '\n' in str(error) or not str(error).strip():
      how = f'refused in other than one line: {str(error)!r}'
    if 'MemoryError' in str(error) or 'Unable to allocate' in str(error):
      how = f'takes too much memory: {error}'
  except WrongError as error:
    how = f'wrong: {error}'
  except BaseException:
    how = f'fails: {traceback.format_exc(limit=-4)}'
  spent = time.process_time() - begun
  return how if spent < SECONDS else f'takes {spent:.1f} s; {how}'


def main(first, count):
  """Tries files of all kinds in turn, and prints a line for each."""
  os.environ['TFDS_DATA_DIR'] = tempfile.mkdtemp()
  warnings.simplefilter('ignore')
  kinds = all_kinds()
  for kind, about in kinds.items():
    print(json.dumps([kind, 0, try_one(kind, 0, *about)]), flush=True)
  pages = pathlib.Path('/proc/self/statm').read_text().split()[0]
  taken = int(pages) * resource.getpagesize()
  resource.setrlimit(resource.RLIMIT_AS, (taken + BYTES, taken + BYTES))
  names = list(kinds)
  for number in range(first, first + count):
    kind, seed = names[number % len(names)], 1 + number // len(names)
    print(json.dumps([kind, seed, '']), flush=True)
    faulthandler.dump_traceback_later(60, exit=True)
    how = try_one(kind, seed, *kinds[kind])
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps([kind, seed, how]), flush=True)


def test_files_of_every_kind_with_bytes_changed_are_read_right_or_refused():
  environment = {
    **os.environ,
    **{'PYTHONPATH': str(ROOT), 'OPENBLAS_NUM_THREADS': '1', 'JAX_PLATFORMS': 'cpu'},
  }
  command = [sys.executable, __file__, '0', str(MUTATIONS)]
  run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
  lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('[')]
  assert run.returncode == 0, (lines[-1:], run.stderr[-2000:])
  how = {(kind, seed): how for kind, seed, how in lines}
  assert all(found == READ for (_, seed), found in how.items() if seed == 0), how
  assert len(how) == MUTATIONS + sum(seed == 0 for _, seed in how)
  wrong = {case: found for case, found in how.items() if found not in (READ, ALONE, REFUSED)}
  assert not wrong, wrong
  assert list(how.values()).count(ALONE) <= len(how) // 20
  assert REFUSED in how.values()


if __name__ == '__main__':
  main(*map(int, sys.argv[1:]))
