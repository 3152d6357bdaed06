"""The Fréchet distance that infinitely many images would have (arXiv:1911.07023).

At N images the distance is biased upwards by nearly c / N, with a c that depends on the model, so
that the distances of two models cannot be compared even at the same N (Sec. 3). Both sets are
halved, the distance of the whole and the mean one of halves are two points of the line in 1 / N,
and the score is its value at 0. It may be negative.

The line holds where each set has at least twice as many images as there are features. With fewer
it bends; the interval is then widened by how far the value moves when every set is half as large.
"""

import numpy as np

from gan_jax.metrics import fd
from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check

SCORES = {'fd_infinity': False}
NEEDS = ()

_HALVINGS = 4  # into two halves each: nine distances


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `fd_infinity` of two sets of at least eight images each."""
  check(real, fake, least=8)
  x, y = real.pooled, fake.pooled
  rng = np.random.default_rng(0)
  whole, error = fd.distance_with_error(x, y)
  half = _mean_of_parts(x, y, 2, _HALVINGS, rng)
  value = 2 * whole - half
  if min(len(x), len(y)) < 2 * x.shape[1]:
    quarter = _mean_of_parts(x, y, 4, 1, rng)
    error = np.hypot(error, value - (2 * half - quarter))
  return {'fd_infinity': from_error(value, error)}


def _mean_of_parts(
  x: np.ndarray, y: np.ndarray, count: int, draws: int, rng: np.random.Generator
) -> float:
  """The mean distance of `count` disjoint parts of one set to as many of the other."""
  found = []
  for _ in range(draws):
    rows_x = np.array_split(rng.permutation(len(x)), count)
    rows_y = np.array_split(rng.permutation(len(y)), count)
    found += [fd.distance(x[a], y[b]) for a, b in zip(rows_x, rows_y, strict=True)]
  return float(np.mean(found))
