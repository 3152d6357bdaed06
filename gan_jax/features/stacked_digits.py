"""The classifier of single digits at each channel of stacked ones, to tell 1,000 modes apart.

It is the network `classifier` of the dataset `digits` at the size of the stacked images, out of the
same cache. That a mode is found means that all three digits of an image are recognised.
"""

from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.data import by_name
from gan_jax.errors import UserError
from gan_jax.features import classifier
from gan_jax.features.network import FeatureNetwork, Request

RESIZES = False
TAKES_WEIGHTS = False

_NAMES = [f'{label:03d}' for label in range(1000)]
_MEMORY_MB = 64  # 5,000 digits are decoded into memory up to 115 pixels of side


def check(request: Request) -> None:
  """Raises UserError for a dataset other than stacked digits."""
  holdout = request.holdout
  if holdout.shape[-1] != 3 or holdout.class_names != _NAMES:
    raise UserError(
      f"config.evaluate.features: 'stacked_digits' is of dataset stacked_digits alone; "
      f'{holdout.name} has {holdout.shape[-1]} channels and {holdout.num_classes} classes'
    )


def load(request: Request) -> FeatureNetwork:
  """Returns the network, training its classifier unless that is in the user's cache.

  The single digits are prepared where TFDS keeps its data, which need not be where the stacked ones
  are.

  Args:
    request: of it the held-out stacked digits, whose size decides that of the single ones.

  Returns:
    The network: features are the concatenated 128 of red, green and blue; logits are log
    probabilities of the 1,000 labels, the three digits being taken as independent.

  Raises:
    UserError: as `check` does.
  """
  check(request)
  holdout = request.holdout
  height, width, _ = holdout.shape
  digits = {
    split: by_name.open_dataset('digits', split, '', (height, width), _MEMORY_MB)
    for split in ('train', 'test')
  }
  single = classifier.load(Request(digits['train'], digits['test']))

  def apply(params: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    planes = jnp.moveaxis(images, -1, 0)  # [3, B, H, W]
    features, logits = single.apply(params, planes.reshape(-1, height, width, 1))
    assert logits is not None
    features = jnp.moveaxis(features.reshape(3, len(images), -1), 0, 1)
    red, green, blue = jax.nn.log_softmax(logits).reshape(3, len(images), -1)
    joint = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]
    return features.reshape(len(images), -1), joint.reshape(len(images), -1)

  logits_of = lambda images: apply(single.params, images)[1]
  description = {
    'holdout_accuracy': classifier.accuracy(logits_of, holdout.fetch, len(holdout)),
    'holdout_images': len(holdout),
    'single_digits': single.description,
  }
  return FeatureNetwork('stacked_digits', single.params, apply, description, classes='dataset')
