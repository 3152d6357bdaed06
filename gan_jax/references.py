"""What the distance of a projected image is ranked among, so that it can be told as far or not."""

from typing import NamedTuple

import numpy as np

from gan_jax import build
from gan_jax.build import Datasets
from gan_jax.errors import UserError
from gan_jax.sampling.model import Model
from gan_jax.workdir import record

AGAINST = HELD_OUT, SAMPLES = 'held_out', 'samples'
COUNT = 99  # where nobody says how many: p-values down to 0.01
_SEED = 2**31 - 2  # of samples: not one that others are drawn by


class References(NamedTuple):
  """Images to be projected in the same way.

  Attributes:
    images: `[N, H, W, C]`.
    labels: their classes, `[N]`.
    name: of what they are, in words.
  """

  images: np.ndarray
  labels: np.ndarray
  name: str


def data_of(
  model: Model, data_dir: str = '', needed: bool = False
) -> tuple[Datasets | None, list[str]]:
  """The data of a run, where they are still there, and why not.

  Args:
    model: that was trained on them.
    data_dir: where they are, if they were moved.
    needed: raise rather than say why not.

  Raises:
    UserError: where they are needed and not there.
  """
  if model.config is None or 'name' not in model.config.dataset:
    return None, ['the model comes without its data']
  if data_dir:
    model.config.dataset.data_dir = data_dir
  try:
    data = build.datasets(model.config)
    record.check_dataset(model.workdir, build.describe(model.config, data), 'bring back those')
    return data, []
  except UserError as error:
    if needed:
      raise
    return None, [f'without the data of the run: {error}']


def drawn(model: Model, data: Datasets | None, count: int, against: str = '') -> References:
  """Draws references: held-out images, or samples of the model where there are none or by wish."""
  if against == SAMPLES or data is None:
    labels = model.labels(count)
    latents = model.latents(count, seed=_SEED)
    return References(model.images(latents, labels), labels, 'samples of the model')
  holdout = data.holdout
  batch = holdout.fetch(np.random.default_rng(0).permutation(len(holdout))[:count])
  return References(batch['image'], batch['label'], f'images of {holdout.name}')
