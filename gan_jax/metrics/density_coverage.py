"""Density and coverage by neighbours (Naeem et al., arXiv:2002.09797, Eqs. 2 and 3).

Balls about the real images reach to the fifth nearest other one. `density`: how many of them hold a
generated image, on average, over 5; it may exceed 1, where generated images crowd among real ones.
`coverage`: share of the balls that hold a generated image; it grows with the number of those.
"""

import math

import numpy as np
from scipy.stats import chi2

from gan_jax.metrics import neighbours
from gan_jax.metrics.estimate import LEVEL, Estimate, from_share_with_error
from gan_jax.metrics.features import Features, check

SCORES = {'density': True, 'coverage': True}
NEEDS = ()

_K = 5


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `density` and `coverage` of sets of at least twelve images each."""
  check(real, fake, least=2 * _K + 2)
  found = neighbours.hits(real.pooled, neighbours.radii(real.pooled, _K), fake.pooled)
  errors = neighbours.standard_errors(real.pooled, fake.pooled, _K, (_density, _coverage))
  return {
    'density': _density_estimate(found, float(errors[0])),
    'coverage': from_share_with_error(_coverage(found), float(errors[1]), len(real.pooled)),
  }


def _density_estimate(found: neighbours.Hits, error: float) -> Estimate:
  """With the interval of a count of as many hits as have its relative error (Garwood 1936).

  Where few images are hit it is far from symmetric, and it stays within what so few can say.
  Random halves tell too little of the few large balls about outlying real images that count there.
  The spread over balls is added, which makes the interval about a quarter too wide at density 1.
  Its upper end is at least that of no hit at all: 3.7 / M of M images (Poisson, 2.5 % to find none)
  for images inside k balls each, as real ones are on average.
  """
  n, m = len(found.by_ball), len(found.by_point)
  value = _density(found)
  none = -math.log((1 - LEVEL) / 2) / m
  if value == 0:
    return Estimate(0.0, 0.0, none)
  error = math.hypot(error, math.sqrt(n * float(np.var(found.by_ball))) / (m * _K))
  count = (value / error) ** 2
  low = value * float(chi2.ppf((1 - LEVEL) / 2, 2 * count)) / (2 * count)
  high = value * float(chi2.ppf((1 + LEVEL) / 2, 2 * count + 2)) / (2 * count)
  return Estimate(value, low, max(high, none))


def _density(found: neighbours.Hits) -> float:
  return float(found.by_point.mean() / _K)


def _coverage(found: neighbours.Hits) -> float:
  return float(np.mean(found.by_ball > 0))
