"""Kernel Inception Distance's estimator on any features (Bińkowski et al., arXiv:1801.01401).

The unbiased squared maximum mean discrepancy under k(x, y) = (x·y / F + 1)³, over random subsets.
Unlike the Fréchet distance its expectation does not depend on N, and it may be negative. Subsets
are drawn as torch-fidelity draws them, so that the same features give the same value. The interval
is that of the mean over all images, not the spread over subsets, which overlap.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import kernel
from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check, some_rows

SCORES = {'kid': False}
NEEDS = ()

_SUBSETS = 100
_SUBSET_SIZE = 1000
_SEED = 2020  # torch-fidelity's
_FOR_ERROR = 5000  # images of each set that the variance is estimated from
_LARGE = 100  # |x|² / F beyond which float32 has too few digits for the kernel's values


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `kid`, the mean over subsets, of two sets of at least two images each.

  Raises:
    UserError: also for features so large that the kernel of them is not finite.
  """
  check(real, fake, least=2)
  x, y = real.pooled, fake.pooled
  largest = max(_largest_square(x), _largest_square(y)) / x.shape[1]
  matrix = _cubic_in_float64 if largest > _LARGE else cubic
  with np.errstate(over='ignore', invalid='ignore'):
    values = of_subsets(x, y, *draw_subsets(len(x), len(y)), matrix)
    parts = kernel.parts(matrix, some_rows(x, _FOR_ERROR), some_rows(y, _FOR_ERROR))
    variance = parts.variance(len(x), len(y))
    if len(values) > 1:
      variance += np.var(values, ddof=1) / len(values)  # another draw of subsets
  value = float(np.mean(values))
  if not np.isfinite(value + variance):
    raise UserError(
      f"kid: not finite; the mean square of an image's features is up to {largest:.1e}, "
      'too large for the kernel'
    )
  return {'kid': from_error(value, float(np.sqrt(variance)))}


def _largest_square(features: np.ndarray) -> float:
  return float(np.einsum('ij,ij->i', features, features, dtype=np.float64).max())


def draw_subsets(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
  """Row numbers `[S, B]` of the subsets of n and m images; one subset where it is all of both."""
  size = min(_SUBSET_SIZE, n, m)
  if n == m == size:
    everything = np.arange(size)[None]
    return everything, everything
  rng = np.random.RandomState(_SEED)
  pairs = [
    (rng.choice(n, size, replace=False), rng.choice(m, size, replace=False))
    for _ in range(_SUBSETS)
  ]
  rows_x, rows_y = zip(*pairs, strict=True)
  return np.stack(rows_x), np.stack(rows_y)


def of_subsets(
  x: np.ndarray,
  y: np.ndarray,
  rows_x: np.ndarray,
  rows_y: np.ndarray,
  matrix: kernel.Kernel | None = None,
) -> np.ndarray:
  """The squared discrepancy of each pair of subsets of features, `[S]`.

  Args:
    x: features `[N, F]`.
    y: features `[M, F]`.
    rows_x: for each subset the numbers of its rows of x, `[S, B]`.
    rows_y: the same of y.
    matrix: gives the kernel matrix; by default `cubic`.
  """
  pairs = zip(rows_x, rows_y, strict=True)
  return np.array([squared_mmd(x[a], y[b], matrix or cubic) for a, b in pairs])


def squared_mmd(x: np.ndarray, y: np.ndarray, matrix: kernel.Kernel | None = None) -> float:
  """Unbiased estimate from `[N, F]` and `[M, F]`, N and M at least 2 (arXiv:1801.01401, Eq. 4)."""
  total = lambda k: k.sum(axis=1).sum(dtype=np.float64)
  within = lambda k: (total(k) - np.trace(k)) / (len(k) * (len(k) - 1))
  matrix = matrix or cubic
  across = matrix(x, y)
  return float(within(matrix(x, x)) + within(matrix(y, y)) - 2 * total(across) / across.size)


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """The kernel matrix `[N, M]` (x·y / F + 1)³, in the arrays' precision."""
  base = x @ y.T
  base /= x.shape[1]
  base += 1
  square = base * base
  square *= base
  return square


def _cubic_in_float64(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  return cubic(x.astype(np.float64), y.astype(np.float64))
