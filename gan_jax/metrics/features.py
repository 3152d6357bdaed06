"""What the metrics compare: the features of two sets of images."""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError

_BLOCK = 4096  # rows looked at together


class Features(NamedTuple):
  """A set of images as a feature network sees it.

  Attributes:
    pooled: `[N, F]`, float32.
    logits: `[N, K]` over the network's classes, or None where it has none.
    labels: the class that each image has or was asked to have, `[N]`; None without classes.
  """

  pooled: np.ndarray
  logits: np.ndarray | None = None
  labels: np.ndarray | None = None


def check(
  real: Features, fake: Features, held_out: Features | None = None, *, least: int = 2
) -> None:
  """Raises UserError where the pooled features cannot be compared.

  Args:
    real: real images.
    fake: generated images.
    held_out: real images kept from training, where the score takes them.
    least: how many images each set must have.

  Raises:
    UserError: for too few images, for sets of different F, for features that are not finite.
  """
  sets = {'real': real, 'generated': fake}
  if held_out is not None:
    sets['held out'] = held_out
  for name, features in sets.items():
    _check_array(name, features.pooled, least, 'features')
    if features.pooled.shape[1] != real.pooled.shape[1]:
      raise UserError(
        f'{name}: {features.pooled.shape[1]} features an image, but {real.pooled.shape[1]} of real '
        'images; must be of the same network'
      )


def check_logits(fake: Features, least: int = 1) -> np.ndarray:
  """Returns the generated images' logits; raises UserError where a score cannot be had of them."""
  if fake.logits is None:
    raise UserError('generated: no logits; the score needs a network that classifies')
  _check_array('generated', fake.logits, least, 'logits')
  return fake.logits


def check_labels(name: str, features: Features) -> np.ndarray:
  """Returns a set's labels; raises UserError where it has none."""
  if features.labels is None:
    raise UserError(f'{name}: no labels; the score needs a dataset with classes')
  return features.labels


def some_rows(array: np.ndarray, most: int) -> np.ndarray:
  """All rows, or `most` of them drawn by a fixed seed."""
  if len(array) <= most:
    return array
  return array[np.random.default_rng(0).choice(len(array), most, replace=False)]


def _check_array(name: str, array: np.ndarray, least: int, what: str) -> None:
  count = len(array)
  if count < least:
    raise UserError(f'{name}: {count:,} images; at least {least} are needed')
  bad = sum(
    int(np.sum(~np.isfinite(array[start : start + _BLOCK]).all(axis=1)))
    for start in range(0, count, _BLOCK)
  )
  if bad:
    raise UserError(f'{name}: {bad:,} of {count:,} images have {what} that are NaN or infinite')
