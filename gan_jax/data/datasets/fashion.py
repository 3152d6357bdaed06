"""Fashion-MNIST: 70,000 photographs of clothes, shoes and bags from Zalando's catalogue.

Source: the Debian package `dataset-fashion-mnist` (Xiao, Rasul and Vollgraf, arXiv:1708.07747),
fetched and unpacked, not installed. Licence: MIT. Size: 28×28 grey, 60,000 for training and 10,000
held out, as published; 7,000 of each of ten classes; 31 MB. Not for: judging colour, texture or
fit, which 28 grey pixels do not show; or a shop other than the one whose catalogue of 2017 it is.
"""

import functools
import gzip
import pathlib
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from gan_jax.data import packages
from gan_jax.data.datasets.packaged import Example, PackagedBuilder

_HEADER = {'images': 16, 'labels': 8}  # bytes before the values in an IDX file


class Builder(PackagedBuilder):
  """TFDS builder of `fashion`, with the splits `train` and `test`."""

  name = 'fashion'
  SHAPE: ClassVar = (28, 28, 1)
  CLASSES: ClassVar = (
    't-shirt',
    'trouser',
    'pullover',
    'dress',
    'coat',
    'sandal',
    'shirt',
    'sneaker',
    'bag',
    'ankle boot',
  )
  LICENCE: ClassVar = 'MIT'
  HOMEPAGE: ClassVar = 'https://github.com/zalandoresearch/fashion-mnist'

  def examples(self) -> Iterator[Example]:
    """Lists the images in the order of the files."""
    folder = packages.debian(
      ['dataset-fashion-mnist'], 'usr/share/datasets/fashion-mnist', self.packages_folder
    )
    for split, prefix in (('train', 'train'), ('test', 't10k')):
      images = _read(folder / f'{prefix}-images-idx3-ubyte.gz', 'images').reshape(-1, *self.SHAPE)
      for row, label in enumerate(_read(folder / f'{prefix}-labels-idx1-ubyte.gz', 'labels')):
        name = f'{split}/{row:05d}'
        load = functools.partial(images.__getitem__, row)
        yield Example(name, self.CLASSES[label], load, group=name, split=split)


def _read(path: pathlib.Path, kind: str) -> np.ndarray:
  with gzip.open(path) as file:
    return np.frombuffer(file.read(), np.uint8, offset=_HEADER[kind])
