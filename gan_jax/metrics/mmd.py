"""Squared maximum mean discrepancy under a Gaussian kernel, as in CMMD (arXiv:2401.09603).

k(x, y) = exp(−|x − y|² / 2σ²), unbiased, over all images, times 1,000 as there (Sec. 4). CMMD's
σ = 10 belongs to its CLIP features; here σ is the median distance between real images, so that the
kernel fits any features. Its expectation does not depend on N, and it may be negative.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import kernel
from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check, some_rows

SCORES = {'mmd': False}
NEEDS = ()

_SCALE = 1000
_FOR_WIDTH = 2000  # real images that the kernel's width is taken from


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `mmd` of two sets of at least two images each."""
  check(real, fake, least=2)
  mean = real.pooled.mean(axis=0, dtype=np.float64).astype(np.float32)
  x, y = real.pooled - mean, fake.pooled - mean  # distances by products: small numbers, more digits
  parts = kernel.parts(gaussian(median_distance(x)), x, y)
  error = np.sqrt(parts.variance(len(x), len(y)))
  return {'mmd': from_error(_SCALE * parts.value, _SCALE * float(error))}


def median_distance(features: np.ndarray) -> float:
  """The median distance between two images, of at most 2,000 drawn by a fixed seed.

  Raises:
    UserError: where it is zero, as where more than half of the images are the same.
  """
  rows = some_rows(features, _FOR_WIDTH).astype(np.float64)
  found = np.sqrt(_squared_distances(rows, rows)[np.triu_indices(len(rows), 1)])
  median = float(np.median(found))
  if not median > 0:
    raise UserError('real: the median distance between two images is 0; they must differ')
  return median


def gaussian(width: float) -> kernel.Kernel:
  """The kernel exp(−|x − y|² / 2 width²)."""

  def matrix(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    exponent = _squared_distances(x, y)
    exponent *= -0.5 / width**2
    return np.exp(exponent, out=exponent)

  return matrix


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """|x − y|² `[N, M]`, in the arrays' precision."""
  squares = x @ (-2 * y).T
  squares += np.einsum('ij,ij->i', x, x)[:, None]
  squares += np.einsum('ij,ij->i', y, y)
  return np.maximum(squares, 0, out=squares)
