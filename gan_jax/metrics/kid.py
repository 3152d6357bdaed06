"""Kernel Inception Distance's estimator on any features (Bińkowski et al., arXiv:1801.01401).

The unbiased squared maximum mean discrepancy under k(x, y) = (x·y / F + 1)³, over random subsets.
Unlike the Fréchet distance its expectation does not depend on N, and it may be negative.
"""

import numpy as np

from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features

SCORES = {'kid': False}
NEEDS = ()

_SUBSETS = 20
_SUBSET_SIZE = 1000


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `kid`, the mean over subsets."""
  size = min(_SUBSET_SIZE, len(real.pooled), len(fake.pooled))
  rng = np.random.default_rng(0)  # the same subsets for every model
  pick = lambda features: features[rng.choice(len(features), size, replace=False)]
  values = [squared_mmd(pick(real.pooled), pick(fake.pooled)) for _ in range(_SUBSETS)]
  error = float(np.std(values)) / len(values) ** 0.5
  return {'kid': from_error(float(np.mean(values)), error)}


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
  """Unbiased estimate from `[N, F]` and `[M, F]`, N and M at least 2 (arXiv:1801.01401, Eq. 4)."""
  x, y = x.astype(np.float64), y.astype(np.float64)
  kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
  within = lambda k: (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))
  return float(within(kernel(x, x)) + within(kernel(y, y)) - 2 * kernel(x, y).mean())
