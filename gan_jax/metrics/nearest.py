"""Memorisation: are generated images nearer to training images than unseen real ones are?

`nearest_ratio`: the median distance of generated images to the nearest training image, over that of
real images kept from training. About 1: no nearer than unseen images; below: training images are
copied; far above: they are unlike any. `authenticity` (Alaa et al., arXiv:2102.08921, Sec. 3.3):
share of generated images that are farther from their nearest training image than that one is from
its own nearest other. The intervals are for the training images at hand.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import neighbours
from gan_jax.metrics.estimate import LEVEL, Estimate, from_share
from gan_jax.metrics.features import Features, check

SCORES = {'nearest_ratio': None, 'authenticity': None}
NEEDS = ('held_out',)

_DRAWS = 10_000


def compute(real: Features, fake: Features, held_out: Features) -> dict[str, Estimate]:
  """Returns `nearest_ratio` and `authenticity`.

  Where many held out images are copies, though fewer than half, the ratio's upper end may be
  infinite. Where the generated images are the held out ones themselves, the same array, the ratio
  is 1 whatever they are, and its interval is [1, 1].

  Args:
    real: the training images, at least two.
    fake: generated images, at least two.
    held_out: real images kept from training, at least two.

  Raises:
    UserError: also where at least half of the held out images are copies of training images.
  """
  check(real, fake, held_out, least=2)
  rows, distances = nearest_real(real, fake)
  _, unseen = nearest_real(real, held_out)
  if not np.median(unseen) > 0:
    copies = int(np.sum(unseen == 0))
    raise UserError(
      f'held out: {copies:,} of {len(unseen):,} images are copies of training images; '
      'fewer than half may be'
    )
  near = np.unique(rows)
  spacing = np.empty(len(real.pooled))
  spacing[near] = neighbours.nearest_others(real.pooled, near)
  authentic = np.sum(distances > spacing[rows])
  same = fake.pooled is held_out.pooled
  return {
    'nearest_ratio': Estimate(1.0, 1.0, 1.0) if same else _ratio_of_medians(distances, unseen),
    'authenticity': from_share(float(authentic), len(rows)),
  }


def nearest_real(real: Features, fake: Features) -> tuple[np.ndarray, np.ndarray]:
  """For each generated image the row of its nearest real one `[N]`, and the distance `[N]`."""
  return neighbours.nearest(fake.pooled, real.pooled)


def _ratio_of_medians(numerator: np.ndarray, denominator: np.ndarray) -> Estimate:
  """With the bootstrap's interval: a median drawn again is the value at the place of a Beta law."""
  rng = np.random.default_rng(0)
  drawn = []
  for values in (numerator, denominator):
    half = (len(values) + 1) / 2
    places = rng.beta(half, half, _DRAWS) * len(values)
    drawn.append(np.sort(values)[places.astype(int)])
  value = float(np.median(numerator) / np.median(denominator))
  with np.errstate(divide='ignore', invalid='ignore'):
    ratios = drawn[0] / drawn[1]
  # Where both medians drawn are 0 the ratio may be anything. No interpolation: some are infinite.
  low = np.quantile(np.nan_to_num(ratios, nan=0, posinf=np.inf), (1 - LEVEL) / 2, method='lower')
  high = np.quantile(
    np.nan_to_num(ratios, nan=np.inf, posinf=np.inf), (1 + LEVEL) / 2, method='higher'
  )
  return Estimate(value, min(value, float(low)), max(value, float(high)))
