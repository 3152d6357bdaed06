"""Fréchet distance between Gaussians fitted to two sets of features (arXiv:1706.08500, Eq. 6).

With the features of the FID network this is FID; with others it is a number of its own, and its
name carries theirs. It is biased upwards at small N: compare only scores of the same N, and with
the floor.
"""

import numpy as np

from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features

SCORES = {'fd': False}
NEEDS = ()


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `fd` of two sets of at least two images each."""
  distance = frechet_distance(*moments(real.pooled), *moments(fake.pooled))
  return {'fd': from_error(distance, 0.0)}


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mean `[F]` and unbiased covariance `[F, F]` of features `[N, F]`, in float64."""
  features = features.astype(np.float64)
  return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(
  mean1: np.ndarray, covariance1: np.ndarray, mean2: np.ndarray, covariance2: np.ndarray
) -> float:
  """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½).

  Σ₁Σ₂ has the eigenvalues of the symmetric Σ₁^½ Σ₂ Σ₁^½, so two symmetric eigendecompositions
  replace the root of a matrix that is not symmetric: faster, and real for singular covariances.
  """
  values, vectors = np.linalg.eigh(covariance1)
  root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
  cross = np.linalg.eigvalsh(root @ covariance2 @ root).clip(min=0)
  distance = np.sum((mean1 - mean2) ** 2)
  traces = np.trace(covariance1) + np.trace(covariance2) - 2 * np.sqrt(cross).sum()
  return float(distance + traces)
