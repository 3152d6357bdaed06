"""The unbiased squared maximum mean discrepancy of a kernel, and its variance.

Gretton et al., JMLR 13 (2012), Lemma 6; the variance is that of a U-statistic of two samples by
Hoeffding's decomposition (Serfling 1980, Sec. 5.2), both orders of it, so that it is right where
the two distributions are the same and the first order vanishes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Kernel matrix [N, M], float32 or float64, of features [N, F] and [M, F].
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]

_BLOCK = 2048  # rows and columns of a kernel matrix held at a time


class Parts(NamedTuple):
  """What the discrepancy of two sets is made of.

  Attributes:
    value: the unbiased squared discrepancy.
    single_x: variance, over the distribution of x, of a single x's projection.
    single_y: the same of y.
    pair_xx: variance of what two x have together beyond their projections.
    pair_yy: the same of two y.
    pair_xy: the same of an x and a y.
  """

  value: float
  single_x: float
  single_y: float
  pair_xx: float
  pair_yy: float
  pair_xy: float

  def variance(self, n: int, m: int) -> float:
    """Variance of the discrepancy of n and m images drawn from the same two distributions."""
    first = 4 * max(self.single_x, 0) / n + 4 * max(self.single_y, 0) / m
    second_x, second_y = 2 * self.pair_xx / (n * (n - 1)), 2 * self.pair_yy / (m * (m - 1))
    return first + second_x + second_y + 4 * self.pair_xy / (n * m)


def parts(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> Parts:
  """Takes the discrepancy of features `[N, F]` and `[M, F]`, N and M at least 2, apart."""
  n, m = len(x), len(y)
  # The discrepancy does not change with a constant in the kernel; without it no digits are lost.
  first = kernel(x[:_BLOCK], y[:_BLOCK])
  offset = first.mean(dtype=np.float64).astype(first.dtype)
  shifted = lambda a, b: kernel(a, b) - offset
  rows_x, square_x = _sums_within(shifted, x)
  rows_y, square_y = _sums_within(shifted, y)
  across_x, across_y, square_xy = _sums_across(shifted, x, y)

  rows_x, rows_y, across_x, across_y = (
    rows_x / (n - 1),
    rows_y / (m - 1),
    across_x / m,
    across_y / n,
  )
  value = rows_x.mean() + rows_y.mean() - 2 * across_x.mean()
  pair_xx = _pair(square_x / (n * (n - 1)), rows_x, rows_x)
  pair_yy = _pair(square_y / (m * (m - 1)), rows_y, rows_y)
  pair_xy = _pair(square_xy / (n * m), across_x, across_y)
  # The spread of projections that are means over few images holds part of the pairs' as well.
  single_x = np.var(rows_x - across_x, ddof=1) - pair_xx / (n - 1) - pair_xy / m
  single_y = np.var(rows_y - across_y, ddof=1) - pair_yy / (m - 1) - pair_xy / n
  return Parts(*map(float, (value, single_x, single_y, pair_xx, pair_yy, pair_xy)))


def _pair(square: float, rows: np.ndarray, columns: np.ndarray) -> float:
  """Variance of kernel values beyond that of the rows' and columns' means."""
  return max(square - rows.mean() ** 2 - np.var(rows) - np.var(columns), 0.0)


def _sums_within(kernel: Kernel, x: np.ndarray) -> tuple[np.ndarray, float]:
  """Each row's sum of the kernel matrix of x and x without its diagonal, and the sum of squares."""
  rows, square = np.zeros(len(x)), 0.0
  for a in range(0, len(x), _BLOCK):
    for b in range(a, len(x), _BLOCK):
      block = kernel(x[a : a + _BLOCK], x[b : b + _BLOCK])
      if a == b:
        np.fill_diagonal(block, 0)
      rows[a : a + _BLOCK] += block.sum(axis=1, dtype=np.float64)
      if a != b:
        rows[b : b + _BLOCK] += block.sum(axis=0, dtype=np.float64)
      square += _sum_of_squares(block) * (1 if a == b else 2)
  return rows, square


def _sums_across(
  kernel: Kernel, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
  """The kernel matrix's sums of rows and of columns, and the sum of squares."""
  rows, columns, square = np.zeros(len(x)), np.zeros(len(y)), 0.0
  for a in range(0, len(x), _BLOCK):
    for b in range(0, len(y), _BLOCK):
      block = kernel(x[a : a + _BLOCK], y[b : b + _BLOCK])
      rows[a : a + _BLOCK] += block.sum(axis=1, dtype=np.float64)
      columns[b : b + _BLOCK] += block.sum(axis=0, dtype=np.float64)
      square += _sum_of_squares(block)
  return rows, columns, square


def _sum_of_squares(block: np.ndarray) -> float:
  # float64: the square of a float32 may be beyond what float32 holds.
  return float(np.einsum('ij,ij->', block, block, dtype=np.float64))
