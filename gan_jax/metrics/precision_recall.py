"""Precision and recall by neighbours (Kynkäänniemi et al., arXiv:1904.06991, Eqs. 1 to 3).

Balls about the images of a set, each reaching to its third nearest other one, stand for what the
set covers. `precision`: share of generated images inside those of the real ones; `recall`: share of
real images inside those of the generated ones. Both depend on N: compare scores of the same N, and
with the floor. A few outliers with large balls raise them; `density` and `coverage` are less moved.
"""

import numpy as np

from gan_jax.metrics import neighbours
from gan_jax.metrics.estimate import Estimate, from_share_with_error
from gan_jax.metrics.features import Features, check

SCORES = {'precision': True, 'recall': True}
NEEDS = ()

_K = 3


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `precision` and `recall` of sets of at least eight images each."""
  check(real, fake, least=2 * _K + 2)
  return {
    'precision': _share_inside(real.pooled, fake.pooled),
    'recall': _share_inside(fake.pooled, real.pooled),
  }


def _share_inside(centres: np.ndarray, points: np.ndarray) -> Estimate:
  found = neighbours.hits(centres, neighbours.radii(centres, _K), points)
  (error,) = neighbours.standard_errors(centres, points, _K, (_share,))
  return from_share_with_error(_share(found), float(error), len(points))


def _share(found: neighbours.Hits) -> float:
  return float(np.mean(found.by_point > 0))
