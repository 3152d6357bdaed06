"""What the builders of images out of packages share."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.data.ingest import png, splits
from gan_jax.errors import UserError


class Example(NamedTuple):
  """One image that a package brings.

  Attributes:
    name: unique in the dataset, and telling where it comes from.
    label: its class.
    load: reads the pixels `[H, W, C]`; None where a look at them says that they do not belong.
    group: examples of one group go to the same split; no two classes share one.
    split: where it belongs, if the source says; '': divided by group within its class.
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
    MODALITY: of images of medicine, as DICOM has it.
  """

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES: ClassVar = {'1.0.0': 'First version.'}
  SHAPE: ClassVar[tuple[int, int, int]]
  DTYPE: ClassVar[Any] = np.uint8
  CLASSES: ClassVar[tuple[str, ...]]
  LICENCE: ClassVar[str]
  HOMEPAGE: ClassVar[str]
  MODALITY: ClassVar[str] = ''

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
      description=sys.modules[self.__module__].__doc__,
      features=tfds.features.FeaturesDict(features),
      supervised_keys=('image', 'label'),
      license=self.LICENCE,
      homepage=self.HOMEPAGE,
      metadata=tfds.core.MetadataDict({'modality': self.MODALITY} if self.MODALITY else {}),
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    del dl_manager  # packages are fetched by their own tools
    examples = _divided(list(self.examples()))
    return {
      name: self._generate_examples([e for e in examples if e.split == name])
      for name in splits.SHARES
    }

  def _generate_examples(self, examples: list[Example]) -> Iterator[tuple[str, dict[str, Any]]]:
    for example in examples:
      pixels = example.load()
      if pixels is not None:
        image = io.BytesIO(png.encode(pixels))
        name, label, group = example.name, example.label, example.group
        yield name, {'image': image, 'label': label, 'name': name, 'group': group}


def _divided(examples: list[Example]) -> list[Example]:
  """Gives a split to examples without one, class by class, so that both sides have the class."""
  classes: dict[str, list[Example]] = {}
  for example in examples:
    if not example.split:
      classes.setdefault(example.label, []).append(example)
  places: dict[str, str] = {}  # by name
  for own in classes.values():
    divided = _divide([example.group for example in own])
    places |= {example.name: split for example, split in zip(own, divided, strict=True)}
  divided_examples = [e._replace(split=e.split or places[e.name]) for e in examples]
  for split in splits.SHARES:
    if all(example.split != split for example in divided_examples):
      raise UserError(f'of {len(examples)} images in the package none is for the split {split!r}')
  return divided_examples


def _divide(groups: list[str]) -> list[str]:
  """The split of each example of a class: of the only group `train`, of two or more both."""
  if len(set(groups)) == 1:
    return ['train'] * len(groups)
  return splits.divide(groups, splits.SHARES)
