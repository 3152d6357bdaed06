"""Nearest neighbours among features, and the balls that reach to them.

Squared distances come from products in float64 and are then rounded to float32, so that distances
that are equal compare as equal whatever block they were computed in: the scores compare strictly.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.metrics.features import some_rows

_ELEMENTS = 2**21  # of a block of distances: 16 MB in float64, so that memory is used again
_ROUNDING = 1e-13  # of the two squared lengths: what copies may seem to be apart
_FOR_ERROR = 3000  # images of each set that an error is estimated from
_SPLITS = 25
_REACH = 8  # neighbours kept, times k: half of them hold k neighbours all but surely


class Hits(NamedTuple):
  """How many points are inside each ball `[N]`, and how many balls hold each point `[M]`."""

  by_ball: np.ndarray
  by_point: np.ndarray


Score = Callable[[Hits], float]


def squared_distances(
  x: np.ndarray, y: np.ndarray | None = None
) -> Iterator[tuple[int, np.ndarray]]:
  """Yields first row and `[rows, M]` of squared distances from x `[N, F]` to y `[M, F]`, float32.

  Without y they are to x itself, infinite where an image meets itself.
  """
  points = x if y is None else y
  centre = points.mean(axis=0, dtype=np.float64)
  # |x − y|² = (−2x, |x|², 1) · (y, 1, |y|²): the sum is taken by the product.
  width = points.shape[1]
  other = np.ones((len(points), width + 2))
  np.subtract(points, centre, out=other[:, :width])
  lengths = np.einsum('ij,ij->i', other[:, :width], other[:, :width])
  other[:, -1] = lengths
  step = max(1, _ELEMENTS // len(points))
  for start in range(0, len(x), step):
    rows = x[start : start + step] - centre
    length = np.einsum('ij,ij->i', rows, rows)[:, None]
    factors = np.concatenate([-2 * rows, length, np.ones_like(length)], axis=1)
    block = (factors @ other.T).astype(np.float32)
    smallest = _ROUNDING * (lengths.max() + length.max())
    if block.min() < smallest:
      row, column = np.nonzero(block < smallest)
      copies = block[row, column] < _ROUNDING * (lengths[column] + length[row, 0])
      block[row[copies], column[copies]] = 0
    if y is None:
      block[np.arange(len(rows)), np.arange(start, start + len(rows))] = np.inf
    yield start, block


def radii(features: np.ndarray, k: int) -> np.ndarray:
  """Squared distance `[N]` from each image to its k-th nearest other one; k < N."""
  blocks = squared_distances(features)
  return np.concatenate([np.partition(block, k - 1, axis=1)[:, k - 1] for _, block in blocks])


def hits(centres: np.ndarray, squared_radii: np.ndarray, points: np.ndarray) -> Hits:
  """Counts the points strictly inside the ball about each centre."""
  by_ball = np.zeros(len(centres), np.int64)
  by_point = np.zeros(len(points), np.int64)
  for start, block in squared_distances(centres, points):
    inside = block < squared_radii[start : start + len(block), None]
    by_ball[start : start + len(block)] = np.count_nonzero(inside, axis=1)
    by_point += np.count_nonzero(inside, axis=0)
  return Hits(by_ball, by_point)


def nearest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """For each of x the row of its nearest in y, and the distance (float64, 0 for a copy)."""
  rows = np.concatenate([block.argmin(axis=1) for _, block in squared_distances(x, y)])
  return rows, between(x, y, rows)


def kth(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
  """The distance `[N]` from each of x to its k-th nearest in y; k at most as many as these."""
  blocks = squared_distances(x, y)
  found = [np.partition(block, k - 1, axis=1)[:, k - 1] for _, block in blocks]
  return np.sqrt(np.concatenate(found))


def nearest_others(features: np.ndarray, which: np.ndarray) -> np.ndarray:
  """The distance from each of the rows `which` to its nearest other row."""
  rows = []
  for start, block in squared_distances(features[which], features):
    own = which[start : start + len(block)]
    block[np.arange(len(own)), own] = np.inf
    rows.append(block.argmin(axis=1))
  return between(features[which], features, np.concatenate(rows))


def between(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
  """From each of x to its row of y, by differences: exact however near they are."""
  found = np.empty(len(x))
  step = max(1, _ELEMENTS // x.shape[1])
  for start in range(0, len(x), step):
    part = slice(start, start + step)
    apart = x[part].astype(np.float64) - y[rows[part]]
    found[part] = np.sqrt(np.einsum('ij,ij->i', apart, apart))
  return found


def standard_errors(
  centres: np.ndarray, points: np.ndarray, k: int, scores: tuple[Score, ...]
) -> np.ndarray:
  """Standard errors of scores of the hits of points in the balls of k neighbours about centres.

  The spread of (score of one half − score of the other) / 2 over random halves, of the centres and
  of the points each, among at most 3,000 of them, scaled to their numbers: a ball's radius depends
  on the other centres, so that binomial counting would leave a part out.
  """
  found = _Balls.of(some_rows(centres, _FOR_ERROR), some_rows(points, _FOR_ERROR), k)
  rng, variance = np.random.default_rng(0), np.zeros(len(scores))
  n, m = len(found.reach), found.points
  for count, total, which in ((n, len(centres), 0), (m, len(points), 1)):
    apart = np.empty((_SPLITS, len(scores)))
    for split in range(_SPLITS):
      half = rng.permutation(count) < count // 2
      sides = [found.hits((side, None)[which], (None, side)[which]) for side in (half, ~half)]
      apart[split] = [(score(sides[0]) - score(sides[1])) / 2 for score in scores]
    variance += np.mean(apart**2, axis=0) * count / total
  return np.sqrt(variance)


class _Balls(NamedTuple):
  """Balls about centres, with all that is needed to find those of a half of the centres."""

  k: int
  points: int  # how many there are
  reach: np.ndarray  # squared distances to the nearest other centres, ascending, [N, R]
  near: np.ndarray  # which those are, [N, R]
  pairs: tuple[np.ndarray, np.ndarray]  # centres and points that a half's ball may hold
  apart: np.ndarray  # their squared distances

  @classmethod
  def of(cls, centres: np.ndarray, points: np.ndarray, k: int) -> '_Balls':
    count = min(_REACH * k, len(centres) - 1)
    near, reach = [], []
    for _, block in squared_distances(centres):
      columns = np.argpartition(block, count - 1, axis=1)[:, :count]
      values = np.take_along_axis(block, columns, axis=1)
      order = values.argsort(axis=1)
      near.append(np.take_along_axis(columns, order, axis=1))
      reach.append(np.take_along_axis(values, order, axis=1))
    reaches = np.concatenate(reach)
    balls, inside, apart = [], [], []
    for start, block in squared_distances(centres, points):
      row, column = np.nonzero(block < reaches[start : start + len(block), -1:])
      balls.append((row + start).astype(np.int32))
      inside.append(column.astype(np.int32))
      apart.append(block[row, column])
    pairs = np.concatenate(balls), np.concatenate(inside)
    return cls(k, len(points), reaches, np.concatenate(near), pairs, np.concatenate(apart))

  def hits(self, centres: np.ndarray | None, points: np.ndarray | None) -> Hits:
    """Hits among those centres and points that a mask keeps; None keeps all."""
    ball, point = self.pairs
    if centres is None:
      inside = self.apart < self.reach[:, self.k - 1][ball]
    else:
      rank = centres[self.near].cumsum(axis=1)
      kth = np.where(rank[:, -1] >= self.k, (rank >= self.k).argmax(axis=1), -1)
      radius = np.take_along_axis(self.reach, kth[:, None], axis=1)[:, 0]
      inside = (self.apart < radius[ball]) & centres[ball]
    if points is not None:
      inside &= points[point]
    by_ball = np.bincount(ball[inside], minlength=len(self.reach))
    by_point = np.bincount(point[inside], minlength=self.points)
    return Hits(
      by_ball if centres is None else by_ball[centres],
      by_point if points is None else by_point[points],
    )
