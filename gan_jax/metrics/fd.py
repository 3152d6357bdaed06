"""Fréchet distance between Gaussians fitted to two sets of features (arXiv:1706.08500, Eq. 6).

With the features of the FID network this is FID; with others it is a number of its own, and its
name carries theirs. It is biased upwards at small N: compare only scores of the same N, and with
the floor. Its interval says how far the score AT THIS N would move with other images of the same
two sources; it does not reach down to what the score would be without that bias, which is
`fd_infinity`. Where the two sources are nearly the same, it is up to twice as wide as it need be.
"""

import numpy as np

from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check

SCORES = {'fd': False}
NEEDS = ()

_BLOCK = 4096  # rows brought to float64 at a time
_SMALLEST = 1e-7  # singular values below this share of the largest are rounding


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `fd` of two sets of at least two images each."""
  check(real, fake, least=2)
  interval = from_error(*distance_with_error(real.pooled, fake.pooled))
  return {'fd': Estimate(*(max(v, 0.0) for v in interval))}  # below 0 only by rounding


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mean `[F]` and unbiased covariance `[F, F]` of features `[N, F]`, in float64."""
  mean = features.mean(axis=0, dtype=np.float64)
  total = np.zeros((len(mean), len(mean)))
  for start in range(0, len(features), _BLOCK):
    centred = features[start : start + _BLOCK] - mean
    total += centred.T @ centred
  return mean, total / (len(features) - 1)


def frechet_distance(
  mean1: np.ndarray, covariance1: np.ndarray, mean2: np.ndarray, covariance2: np.ndarray
) -> float:
  """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½).

  For any roots Σ₁ = GᵀG and Σ₂ = HᵀH the eigenvalues of Σ₁Σ₂ are the squared singular values of
  GHᵀ, so that its root, a matrix that is not symmetric, is never taken.
  """
  return _distance(mean1, _root(covariance1), mean2, _root(covariance2))


def distance(x: np.ndarray, y: np.ndarray) -> float:
  """The distance of features `[N, F]` and `[M, F]`, without moments of `[F, F]` where N < F."""
  return _distance(*_mean_and_root(x), *_mean_and_root(y))


def distance_with_error(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
  """The distance of features `[N, F]` and `[M, F]`, and its standard error at these N and M.

  The error is the delta method's. With Δ = μ_x − μ_y and T the optimal transport map from the
  Gaussian of x to that of y, an x moves the distance by 2Δ·(x − μ_x) + (x − μ_x)ᵀ(I − T)(x − μ_x)
  less its mean; a y likewise. The map is taken within the span of the images.
  """
  (mean_x, root_x), (mean_y, root_y) = _mean_and_root(x), _mean_and_root(y)
  left, values, right = _singular(root_x @ root_y.T)
  keep = values > _SMALLEST * values.max(initial=0)
  scale = 1 / np.sqrt(values[keep])
  # (x − μ)ᵀ T (x − μ) is the squared length of x − μ after `map_x`.
  map_x, map_y = root_y.T @ (right[:, keep] * scale), root_x.T @ (left[:, keep] * scale)
  shift = mean_x - mean_y
  variance = _influence(x, mean_x, shift, map_x).var() / len(x)
  variance += _influence(y, mean_y, -shift, map_y).var() / len(y)
  traces = np.sum(root_x**2) + np.sum(root_y**2) - 2 * values.sum()
  return float(shift @ shift + traces), float(np.sqrt(variance))


def _influence(
  features: np.ndarray, mean: np.ndarray, shift: np.ndarray, transport: np.ndarray
) -> np.ndarray:
  """How far each image moves the distance, `[N]`, up to a constant."""
  transport = transport.astype(np.float32)  # an error need not be known to more digits
  found = np.empty(len(features))
  for start in range(0, len(features), _BLOCK):
    centred = features[start : start + _BLOCK] - mean
    moved = centred.astype(np.float32) @ transport
    found[start : start + _BLOCK] = (
      2 * centred @ shift
      + np.einsum('ij,ij->i', centred, centred)
      - np.einsum('ij,ij->i', moved, moved)
    )
  return found


def _distance(mean1: np.ndarray, root1: np.ndarray, mean2: np.ndarray, root2: np.ndarray) -> float:
  cross = root1 @ root2.T
  gram = cross.T @ cross if cross.shape[1] <= cross.shape[0] else cross @ cross.T
  trace = np.sqrt(np.linalg.eigvalsh(gram).clip(min=0)).sum()
  return float(np.sum((mean1 - mean2) ** 2) + np.sum(root1**2) + np.sum(root2**2) - 2 * trace)


def _mean_and_root(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mean `[F]` and a root `G` of the covariance, `GᵀG`, `[min(N, F), F]`."""
  if len(features) > features.shape[1]:
    mean, covariance = moments(features)
    return mean, _root(covariance)
  mean = features.mean(axis=0, dtype=np.float64)
  return mean, (features - mean) / np.sqrt(len(features) - 1)


def _root(covariance: np.ndarray) -> np.ndarray:
  try:
    return np.linalg.cholesky(covariance).T
  except np.linalg.LinAlgError:  # singular, as where a feature never varies
    values, vectors = np.linalg.eigh(covariance)
    return np.sqrt(values.clip(min=0))[:, None] * vectors.T


def _singular(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """U, σ, V of a matrix U diag(σ) Vᵀ, by the Gram matrix of its shorter side: less work."""
  if matrix.shape[0] < matrix.shape[1]:
    right, values, left = _singular(matrix.T)
    return left, values, right
  squares, right = np.linalg.eigh(matrix.T @ matrix)
  values = np.sqrt(squares.clip(min=0))
  left = matrix @ right / np.where(values > 0, values, 1)
  return left, values, right
