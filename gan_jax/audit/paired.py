"""Differences between two ways to train, of the same seeds and the same held-out images."""

import numpy as np
from scipy import stats

from gan_jax.metrics.estimate import LEVEL, Estimate


def difference(
  one: np.ndarray, other: np.ndarray, weights: np.ndarray, strata: np.ndarray
) -> tuple[Estimate, float]:
  """The weighted sum of one minus other, its interval, and its two-sided p.

  Both sources of error count: other seeds would train other classifiers, and other held-out images
  would try them. Seeds and images are crossed; the variance of the mean is that of its means over
  images, between seeds, and that of its means over seeds, between images of a class, less what
  both hold of the rest. Student's interval has the degrees of freedom of that sum (Satterthwaite,
  Biometrics Bulletin 2, 1946).

  Args:
    one: a value of each image by each seed, such as 1 where it was recognised, `[S, I]`, S >= 2.
    other: the same of the other way, `[S, I]`.
    weights: of the images, `[I]`.
    strata: their classes, `[I]`: as many of each would be drawn again.
  """
  apart = one.astype(float) - other
  seeds = len(apart)
  totals = apart @ weights
  value = float(totals.mean())
  of_seeds = float(np.var(totals, ddof=1)) / seeds
  means = apart.mean(axis=0)
  of_images = 0.0
  for stratum in np.unique(strata):
    own = (strata == stratum) & (weights != 0)
    count = int(own.sum())
    if count > 1:
      centred = means[own] - means[own].mean()
      of_images += count / (count - 1) * float(np.sum((weights[own] * centred) ** 2))
  rest = apart - means - (totals - value)[:, None] / max(weights.sum(), 1e-12)
  of_rest = float(np.sum(weights**2 * (rest**2).sum(axis=0))) / (seeds - 1) / seeds
  of_images = max(of_images - of_rest, 0.0)
  variance = of_seeds + of_images
  if variance == 0:
    return Estimate(value, value, value), 1.0 if value == 0 else 0.0
  tried = max(int(np.count_nonzero(weights)) - 1, 1)
  freedom = variance**2 / (of_seeds**2 / (seeds - 1) + of_images**2 / tried)
  error = float(np.sqrt(variance))
  half = error * float(stats.t.ppf((1 + LEVEL) / 2, freedom))
  return (
    Estimate(value, value - half, value + half),
    float(2 * stats.t.sf(abs(value) / error, freedom)),
  )
