"""Density and coverage by neighbours (Naeem et al., arXiv:2002.09797, Eqs. 2 and 3).

Balls about the real images reach to the fifth nearest other one. `density`: how many of them hold a
generated image, on average, over 5; it may exceed 1, where generated images crowd among real ones.
`coverage`: share of the balls that hold a generated image; it grows with the number of those.
"""

import numpy as np

from gan_jax.metrics import neighbours
from gan_jax.metrics.estimate import Estimate, from_error, from_share_with_error
from gan_jax.metrics.features import Features, check

SCORES = {'density': True, 'coverage': True}
NEEDS = ()

_K = 5


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `density` and `coverage` of sets of at least twelve images each."""
  check(real, fake, least=2 * _K + 2)
  found = neighbours.hits(real.pooled, neighbours.radii(real.pooled, _K), fake.pooled)
  errors = neighbours.standard_errors(real.pooled, fake.pooled, _K, (_density, _coverage))
  density = from_error(_density(found), float(errors[0]))
  return {
    'density': density._replace(low=max(density.low, 0.0)),
    'coverage': from_share_with_error(_coverage(found), float(errors[1]), len(real.pooled)),
  }


def _density(found: neighbours.Hits) -> float:
  return float(found.by_point.mean() / _K)


def _coverage(found: neighbours.Hits) -> float:
  return float(np.mean(found.by_ball > 0))
