"""What a run is made of, for whoever starts it: data, networks, devices."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax.build.data import Datasets
from gan_jax.training.state import TrainState

_NAMED = 5  # classes in a line


def summary(config: ConfigDict, datasets: Datasets, state: TrainState) -> Iterator[str]:
  """Lines for the screen; those that begin with `!` should be looked into.

  Args:
    config: of the run.
    datasets: that it is trained on and held out.
    state: replicated over the devices, a row each.
  """
  train, holdout = datasets
  height, width, channels = train.shape
  classes = f', {train.num_classes:,} classes' if train.num_classes else ''
  yield (
    f'data      {train.name}: {len(train):,} images of {width}x{height}x{channels}{classes}; '
    f'{len(holdout):,} held out'
  )
  generator, discriminator = (
    _weights(player.params) for player in (state.generator, state.discriminator)
  )
  yield f'networks  {config.model.name}: generator {generator}, discriminator {discriminator}'
  devices = jax.devices()
  each = config.train.batch_size // len(devices)
  yield (
    f'devices   {len(devices)} x {devices[0].device_kind} ({devices[0].platform}), {each} images '
    'of a batch on each'
  )
  empty = _empty_classes(datasets)
  if empty and config.model.conditional:
    more = f' and {len(empty) - _NAMED} more' if len(empty) > _NAMED else ''
    yield (
      f'! no training image is of class {", ".join(empty[:_NAMED])}{more}: what the generator '
      'draws for it is learnt from nothing'
    )


def _weights(params: Any) -> str:
  return f'{sum(int(np.prod(x.shape[1:])) for x in jax.tree.leaves(params)):,} weights'


def _empty_classes(datasets: Datasets) -> list[str]:
  train = datasets.train
  if not train.num_classes:
    return []
  counts = np.bincount(train.labels(np.arange(len(train))), minlength=train.num_classes)
  return [train.class_names[label] for label in np.flatnonzero(counts == 0)]
