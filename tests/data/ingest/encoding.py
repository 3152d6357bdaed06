"""Encoded images and files of them, as the tests of several readers make them."""

import io

import numpy as np
from PIL import Image


def noise(seed, *shape):
  """Random pixels, uint8, `[6, 5]` where no shape is given."""
  return np.random.default_rng(seed).integers(0, 256, shape or (6, 5), np.uint8)


def png(pixels, kind='PNG'):
  """An image file of pixels."""
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, kind)
  return file.getvalue()


def npy(array):
  """A file as `numpy.save` writes it."""
  file = io.BytesIO()
  np.save(file, array)
  return file.getvalue()


def fill(root, files):
  """Writes files below a folder, and returns it."""
  for name, data in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
  return root
