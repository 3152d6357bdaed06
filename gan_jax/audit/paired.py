"""Differences between two ways to train, of the same seeds and the same held-out images."""

import numpy as np
from scipy import optimize, stats

from gan_jax.metrics.estimate import LEVEL, Estimate


def difference(
  one: np.ndarray, other: np.ndarray, weights: np.ndarray, strata: np.ndarray
) -> tuple[Estimate, float]:
  """The weighted sum of one minus other, its interval, and its two-sided p.

  Both sources of error count: other seeds would train other classifiers, and other held-out images
  would try them. Seeds and images are crossed; the variance of the mean is that of its means over
  images, between seeds, and that of its means over seeds, between images of a class, less what
  both hold of the rest. The part of the seeds, which are few, counts by Student's quantile, that of
  the images by the normal one; so the interval is nowhere narrower than Student's over seeds. The p
  is that of the widest interval which does not hold 0.

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

  def half(outside: float) -> float:
    of_few, of_many = stats.t.isf(outside / 2, seeds - 1), stats.norm.isf(outside / 2)
    return float(np.sqrt(of_few**2 * of_seeds + of_many**2 * of_images))

  if of_seeds + of_images == 0:
    return Estimate(value, value, value), 1.0 if value == 0 else 0.0
  reaches = half(1 - LEVEL)
  apart_from_0 = lambda outside: half(outside) - abs(value)
  smallest = 1e-12
  p = smallest if apart_from_0(smallest) <= 0 else optimize.brentq(apart_from_0, smallest, 1.0)
  return Estimate(value, value - reaches, value + reaches), float(p)
