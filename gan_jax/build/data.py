"""Opens what a config trains on."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict
from numpy.typing import DTypeLike

from gan_jax.data import by_name, pipeline, subset
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.runtime import hosts
from gan_jax.training import labels


class Datasets(NamedTuple):
  """The images trained on and the images kept from training."""

  train: ImageDataset
  holdout: ImageDataset


def datasets(config: ConfigDict) -> Datasets:
  """Opens both splits, preparing the dataset where that is needed and possible."""
  opened = {
    split: by_name.open_dataset(
      config.dataset.name,
      config.dataset[split],
      config.dataset.data_dir,
      image_size(config),
      config.dataset.memory_budget_mb,
    )
    for split in ('split', 'holdout_split')
  }
  at_most = config.dataset.get('at_most', ())
  found = Datasets(subset.at_most(opened['split'], at_most), opened['holdout_split'])
  _check_apart(config)
  if config.model.conditional and not found.train.num_classes:
    raise UserError(
      f'config.model.conditional=True: dataset {found.train.name} has no labels; accepted: False'
    )
  return found


def trained_on(config: ConfigDict) -> ImageDataset:
  """What a config trains on, for commands whose flags can say instead what it has.

  Raises:
    UserError: where it is not there.
  """
  try:
    return datasets(config).train
  except UserError as error:
    raise UserError(f'{error}; or say what it has: --channels=3 --classes=10') from error


def batch_shapes(
  examples: int, image: tuple[int, ...], dtype: DTypeLike = np.uint8
) -> dict[str, jax.ShapeDtypeStruct]:
  """The shapes of a batch of so many examples, of images `[H, W, C]`."""
  return {
    'image': jax.ShapeDtypeStruct((examples, *image), dtype),
    'label': jax.ShapeDtypeStruct((examples,), np.int32),
  }


def _check_apart(config: ConfigDict) -> None:
  """Refuses held-out images that are trained on: every score beside them would be too good."""
  section = config.dataset
  shared = by_name.shared_images(
    section.name, section.split, section.holdout_split, section.data_dir
  )
  if shared:
    raise UserError(
      f'config.dataset.holdout_split={section.holdout_split!r}: {shared:,} of its images are in '
      f'config.dataset.split={section.split!r}, which is trained on; accepted: splits apart, as '
      "'train[:90%]' and 'train[90%:]'"
    )


def describe(config: ConfigDict, found: Datasets) -> dict[str, Any]:
  """What a run's record says of its data."""
  first = found.train
  return {
    'name': config.dataset.name,
    **first.origin,
    'shape': list(first.shape),
    'dtype': first.dtype.name,
    'num_classes': first.num_classes,
    'class_names': first.class_names,
    'class_counts': _counts(first),
    'fingerprints': {dataset.name: dataset.fingerprint for dataset in found},
  }


def _counts(dataset: ImageDataset) -> list[int] | None:
  """How many images there are of each class; None where all files would have to be read for it."""
  if not dataset.num_classes or not dataset.in_memory:
    return None
  labels = dataset.labels(np.arange(len(dataset)))
  return np.bincount(labels, minlength=dataset.num_classes).tolist()


def held_out_batch(config: ConfigDict, dataset: ImageDataset, step: int) -> pipeline.Batch:
  """This host's part of a batch of images kept from training, by the step's own draw.

  Of a set smaller than a batch some are there twice. Neighbours are of one class where those of the
  training batch are.
  """
  first, end = hosts.share(config.train.batch_size)
  group = config.dataset.get('class_group', 1)
  if group > 1:
    rows = pipeline.GroupedOrder(dataset.labels(np.arange(len(dataset))), group, config.seed, step)
    return dataset.fetch(rows(np.arange(first, end)))
  order = np.random.default_rng((config.seed % 2**32, step)).permutation(len(dataset))
  return dataset.fetch(np.resize(order, config.train.batch_size)[first:end])


def fake_labels(config: ConfigDict, dataset: ImageDataset) -> tuple[float, ...] | None:
  """The probability of each class among the labels of fakes; None: labels of the reals."""
  section = config.get('labels')
  if section is None or not config.model.conditional:
    return None
  if section.fakes == 'data':
    found = dataset.labels(np.arange(len(dataset)))
    counts = np.bincount(found, minlength=dataset.num_classes)
  else:
    counts = np.ones(dataset.num_classes, int)
  return labels.probabilities(section.fakes, tuple(section.weights), counts)


def images_per_step(config: ConfigDict) -> int:
  """Real images that a step shows to the discriminator, over all devices."""
  return config.train.batch_size * config.train.get('d_steps', 1)


def image_size(config: ConfigDict) -> tuple[int, int]:
  """Height and width of the images, pixels."""
  height, width = config.dataset.resolution, config.dataset.get('width')
  return height, height if width is None else width


def batches(
  config: ConfigDict, dataset: ImageDataset, images: int, order: int = 0
) -> Iterator[pipeline.Batch]:
  """This host's batches after so many images were shown, in the seed's first order or another."""
  _check_grouped(config, dataset)
  shown = images_per_step(config)
  drawn = shown + (0 if config.train.share_batch else config.train.batch_size)
  return pipeline.batches(
    dataset,
    drawn,
    seed=config.seed,
    order=order,
    start=images * drawn // shown,
    host=jax.process_index(),
    hosts=jax.process_count(),
    prefetch=config.dataset.prefetch_batches,
    balanced=config.dataset.balanced,
    balanced_by=config.dataset.get('balanced_by', ''),
    class_group=config.dataset.get('class_group', 1),
  )


def _check_grouped(config: ConfigDict, dataset: ImageDataset) -> None:
  """Refuses neighbours of one class that batches would cut, or fakes whose neighbours are not."""
  size = config.dataset.get('class_group', 1)
  if size == 1:
    return
  key = f'config.dataset.class_group={size}'
  if not config.model.conditional:
    raise UserError(
      f'{key}: fakes of a generator without classes have none for neighbours; accepted: 1, or '
      'config.model.conditional=True'
    )
  fakes = config.labels.fakes
  if fakes != 'reals':
    raise UserError(
      f'{key}: neighbours among the fakes have the classes of the reals, not those of '
      f"config.labels.fakes={fakes!r}; accepted: 1, or config.labels.fakes='reals'"
    )
  share = config.train.batch_size // jax.process_count()
  if share % size or len(dataset) < size:
    raise UserError(
      f'{key}: accepted: a divisor of the {share} images of a batch, of {len(dataset):,} at most'
    )
