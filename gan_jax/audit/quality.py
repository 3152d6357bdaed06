"""How good, and how varied, the images of each group are.

A group that is drawn as often as it should be may still be drawn badly. Each is compared with the
real images of its own by the metrics of `gan_jax.metrics`, all with the same number of images, so
that groups can be compared with each other.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import mmd, nearest, precision_recall
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.features import Features

LEAST = 50  # images of a group, real and generated
MOST = 500
_WORSE = 2.0  # a distance that is so many times that of the other groups, by its interval


class Quality(NamedTuple):
  """Scores of one group; None where it has too few images.

  Attributes:
    generated: how many images of it were generated.
    distance: squared kernel distance (`metrics.mmd`) to the real images of the group.
    floor: the same of held-out real images of the group; None where these are too few.
    recall: share of the real images within reach of generated ones.
    ratio: `nearest_ratio`; None where too few images are held out.
  """

  generated: int
  distance: Estimate | None = None
  floor: Estimate | None = None
  recall: Estimate | None = None
  ratio: Estimate | None = None


def of_groups(
  real: tuple[np.ndarray, np.ndarray],
  held_out: tuple[np.ndarray, np.ndarray],
  generated: tuple[np.ndarray, np.ndarray],
  count: int,
) -> tuple[list[Quality], int]:
  """Scores groups.

  Args:
    real: features `[N, F]` of real images, and their groups `[N]`, -1 for none.
    held_out: the same of others.
    generated: the same of generated ones.
    count: number of groups.

  Returns:
    The scores of each, and how many images of each group they are of.
  """
  sizes = [min(int(np.sum(groups == k)) for _, groups in (real, generated)) for k in range(count)]
  enough = [size for size in sizes if size >= LEAST]
  if not enough:
    return [Quality(int(np.sum(generated[1] == k))) for k in range(count)], 0
  size = min(MOST, min(enough))
  found = []
  for k in range(count):
    own, others, fakes = (_some(*each, k, size) for each in (real, held_out, generated))
    found.append(_of_group(own, others, fakes, int(np.sum(generated[1] == k)), size))
  return found, size


def _of_group(
  real: np.ndarray, held_out: np.ndarray, fake: np.ndarray, generated: int, size: int
) -> Quality:
  if min(len(real), len(fake)) < size:
    return Quality(generated)
  reals, fakes = Features(real), Features(fake)
  try:
    distance = mmd.compute(reals, fakes)['mmd']
    recall = precision_recall.compute(reals, fakes)['recall']
  except UserError:  # such as images that are all one and the same
    return Quality(generated)
  if len(held_out) < LEAST:
    return Quality(generated, distance, None, recall)
  others = Features(held_out)
  try:
    ratio = nearest.compute(reals, fakes, others)['nearest_ratio']
  except UserError:  # copies among the data
    ratio = None
  return Quality(generated, distance, mmd.compute(reals, others)['mmd'], recall, ratio)


def _some(features: np.ndarray, groups: np.ndarray, group: int, most: int) -> np.ndarray:
  rows = np.flatnonzero(groups == group)
  if len(rows) > most:
    rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
  return features[rows]


def worse(found: list[Quality]) -> list[int]:
  """The groups that are shown to be drawn worse than the others.

  Their distance, by its interval, is more than twice the median of the others' and above the
  floor's interval; or their recall is less than half the median of the others'.
  """
  bad = []
  for k, own in enumerate(found):
    others = [
      (each.distance.value, each.recall.value)
      for j, each in enumerate(found)
      if j != k and each.distance and each.recall
    ]
    if own.distance is None or own.recall is None or not others:
      continue
    distance, recall = np.median(others, axis=0).tolist()
    above = own.floor is None or own.distance.low > own.floor.high
    far = own.distance.low > _WORSE * max(distance, 0.0) and above
    if far or own.recall.high < recall / _WORSE:
      bad.append(k)
  return bad
