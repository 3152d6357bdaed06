"""What the builders of images out of packages share."""

import io
import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.data.ingest import splits
from gan_jax.data.ingest.chunks import encode_png

HOLDOUT_SHARE = 0.1


class Example(NamedTuple):
  """One image that a package brings.

  Attributes:
    name: unique in the dataset, and telling where it comes from.
    label: its class.
    load: reads the pixels `[H, W, C]`; None where a look at them says that they do not belong.
    group: examples of one group go to the same split.
    split: where it belongs, if the source says; '': divided by group.
  """

  name: str
  label: str
  load: Callable[[], np.ndarray | None]
  group: str = ''
  split: str = ''


class PackagedBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """A TFDS builder with the splits `train` and `test`, whose subclasses name their examples.

  Attributes:
    SHAPE: `(H, W, C)` of every image.
    DTYPE: of the pixels.
    CLASSES: names of the classes, in the order of the labels.
    LICENCE: of the images.
    HOMEPAGE: of their source.
  """

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES: ClassVar = {'1.0.0': 'First version.'}
  SHAPE: ClassVar[tuple[int, int, int]]
  DTYPE: ClassVar[Any] = np.uint8
  CLASSES: ClassVar[tuple[str, ...]]
  LICENCE: ClassVar[str]
  HOMEPAGE: ClassVar[str]

  def examples(self) -> Iterator[Example]:
    """Lists all examples, without reading their pixels."""
    raise NotImplementedError

  @property
  def packages_folder(self) -> str:
    """Where fetched packages are unpacked."""
    return os.path.join(os.path.expanduser(self._data_dir_root), 'packages')

  def _info(self) -> tfds.core.DatasetInfo:
    features = {
      'image': tfds.features.Image(shape=self.SHAPE, dtype=self.DTYPE, encoding_format='png'),
      'label': tfds.features.ClassLabel(names=self.CLASSES),
      'name': tfds.features.Text(),
      'group': tfds.features.Text(),
    }
    return self.dataset_info_from_configs(
      description=__import__(self.__module__, fromlist=['']).__doc__,
      features=tfds.features.FeaturesDict(features),
      supervised_keys=('image', 'label'),
      license=self.LICENCE,
      homepage=self.HOMEPAGE,
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    del dl_manager  # packages are fetched by their own tools
    examples = list(self.examples())
    shares = {'train': 1 - HOLDOUT_SHARE, 'test': HOLDOUT_SHARE}
    if not all(example.split for example in examples):
      places = splits.divide([example.group for example in examples], shares)
      examples = [e._replace(split=split) for e, split in zip(examples, places, strict=True)]
    return {
      name: self._generate_examples([e for e in examples if e.split == name]) for name in shares
    }

  def _generate_examples(self, examples: list[Example]) -> Iterator[tuple[str, dict[str, Any]]]:
    for example in examples:
      pixels = example.load()
      if pixels is not None:
        image = io.BytesIO(encode_png(pixels))
        name, label, group = example.name, example.label, example.group
        yield name, {'image': image, 'label': label, 'name': name, 'group': group}
