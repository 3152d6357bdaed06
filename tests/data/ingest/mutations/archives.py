"""Archives and arrays, against what was put in and NumPy."""

import contextlib
import io
import pathlib
import tarfile
import tempfile
import zipfile

import numpy as np
from PIL import Image

from tests.data.ingest.mutations.changing import READ, REFUSED, require
from tests.data.ingest.mutations.images import as_rgba, noise


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
