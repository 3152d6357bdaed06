"""A prepared dataset, against what was put in."""

import pathlib
import tempfile

import numpy as np

from tests.data.ingest.mutations.archives import members
from tests.data.ingest.mutations.changing import READ, require


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
    [self.path] = [p for p in self.folder.glob('*.array_record*') if p.suffix != '.npy']
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
