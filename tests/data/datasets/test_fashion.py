import gzip
import struct

import numpy as np

from tests.data.datasets import trees

FOLDER = 'packages/dataset-fashion-mnist/usr/share/datasets/fashion-mnist'


def idx(array):
  """The format of the files: two zeros, the type, the number of dimensions, their sizes."""
  return struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_both_splits_are_the_published_ones_pixel_by_pixel(tmp_path):
  sizes = {'train': ('train', 30), 'test': ('t10k', 12)}
  images = {s: trees.noise(n, (n, 28, 28)) for s, (_, n) in sizes.items()}
  labels = {s: (7 * np.arange(n) % 10).astype(np.uint8) for s, (_, n) in sizes.items()}
  for split, (prefix, _) in sizes.items():
    for kind, array in (('images-idx3', images[split]), ('labels-idx1', labels[split])):
      path = tmp_path / FOLDER / f'{prefix}-{kind}-ubyte.gz'
      trees.write(path, gzip.compress(idx(array)))
  examples, builder = trees.prepare('fashion', tmp_path)
  trees.assert_whole(examples, builder, (28, 28, 1), np.uint8)
  assert {s: info.num_examples for s, info in builder.info.splits.items()} == {
    'train': 30,
    'test': 12,
  }
  for example in examples.values():
    split, row = example['name'].split('/')
    assert example['split'] == split
    np.testing.assert_array_equal(example['image'][..., 0], images[split][int(row)])
    assert example['label'] == labels[split][int(row)]
  names = builder.info.features['label'].names
  assert (names[0], names[1], names[9], len(names)) == ('t-shirt', 'trouser', 'ankle boot', 10)
