"""Is an image a copy of one training image, rather than like several of them?

`closeness` compares the distance to the nearest training image with those to the next nearest, of
other groups each: near 0 for a copy, near 1 for what is as near to several. It is high wherever
images are dense, so that simple images, which are all near to each other, are no alarm (after
Carlini et al., arXiv:2301.13188, Sec. 5.1, who take the mean of 50 neighbours).
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics import aligned, neighbours

NEXT = 16  # nearest ones of other groups that the nearest is compared with
_CANDIDATES = 2 * NEXT  # by spectra, that are then aligned


class Near(NamedTuple):
  """The training image that each image is nearest to.

  Attributes:
    rows: of the training images, `[N]`.
    distances: to them, `[N]`.
    closeness: that over the median of the distances to the `NEXT` nearest of other groups, `[N]`;
      where there are no other groups, the distance itself.
  """

  rows: np.ndarray
  distances: np.ndarray
  closeness: np.ndarray


def near(
  x: np.ndarray,
  training: np.ndarray,
  groups: np.ndarray | None = None,
  own: np.ndarray | None = None,
) -> Near:
  """By features.

  Args:
    x: features of the images, `[N, F]`.
    training: of the training images, `[M, F]`.
    groups: of the training images, such as patients, `[M]`; None: each by itself.
    own: the group of each image, `[N]`, which is left out, as of training images themselves.
  """
  by_group = _Grouped.of(groups, len(training))
  rows, found = _nearest_groups(x, training, by_group, own, NEXT + 1)
  return _told(rows, found, neighbours.between(x, training, rows[:, 0]))


def near_aligned(
  x: np.ndarray,
  training: np.ndarray,
  groups: np.ndarray | None = None,
  own: np.ndarray | None = None,
) -> Near:
  """By pixels, after alignment; arguments as of `near`, but images `[N, H, W, C]`."""
  x, training = aligned.normalised(x), aligned.normalised(training)
  by_group = _Grouped.of(groups, len(training))
  rows, _ = _nearest_groups(
    aligned.spectra(x), aligned.spectra(training), by_group, own, _CANDIDATES
  )
  found = aligned.distances(x, training, rows)
  order = np.argsort(found, axis=1, kind='stable')[:, : NEXT + 1]
  rows, found = np.take_along_axis(rows, order, 1), np.take_along_axis(found, order, 1)
  return _told(rows, found, found[:, 0])


def _told(rows: np.ndarray, found: np.ndarray, exact: np.ndarray) -> Near:
  """From the nearest of each group, `[N, K]` in order, and the exact distance of the first."""
  if found.shape[1] == 1:
    return Near(rows[:, 0], exact, exact)
  reference = np.median(found[:, 1:], axis=1)
  # A copy of what is in the data many times is a copy.
  ratio = np.where(reference > 0, exact / np.where(reference > 0, reference, 1), exact > 0)
  return Near(rows[:, 0], exact, ratio)


class _Grouped(NamedTuple):
  """Training images in the order of their groups.

  Attributes:
    order: rows of the training images.
    starts: where each group begins in that order.
    names: of the groups; None where each image is one.
  """

  order: np.ndarray
  starts: np.ndarray
  names: np.ndarray | None

  @classmethod
  def of(cls, groups: np.ndarray | None, count: int) -> '_Grouped':
    if groups is None or len(np.unique(groups)) == count:
      names = None if groups is None else np.asarray(groups)
      return cls(np.arange(count), np.arange(count), names)
    order = np.argsort(groups, kind='stable')
    names, starts = np.unique(np.asarray(groups)[order], return_index=True)
    return cls(order, starts, names)


def _nearest_groups(
  x: np.ndarray, training: np.ndarray, by_group: _Grouped, own: np.ndarray | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
  """Rows and distances `[N, K]` of the nearest image of each of the nearest K groups, in order.

  K is `count`, or as many groups as there are to choose from.
  """
  order, starts, names = by_group
  alone = len(starts) == len(order)
  left_out = 0 if own is None or names is None else int(np.isin(own, names).any())
  count = max(1, min(count, len(starts) - left_out))
  ordered, rows, found = training[order], [], []
  for start, block in neighbours.squared_distances(x, ordered):
    nearest = block if alone else np.minimum.reduceat(block, starts, axis=1)
    if left_out:
      nearest[own[start : start + len(block), None] == names[None]] = np.inf  # type: ignore[index]
    chosen = np.argpartition(nearest, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(nearest, chosen, 1)
    by_distance = np.argsort(values, axis=1, kind='stable')
    chosen = np.take_along_axis(chosen, by_distance, 1)
    found.append(np.sqrt(np.take_along_axis(values, by_distance, 1)))
    rows.append(order[chosen] if alone else order[_first(block, starts, chosen)])
  return np.concatenate(rows), np.concatenate(found)


def _first(block: np.ndarray, starts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
  """The column of the nearest image of each chosen group, `[rows, K]`."""
  ends = np.append(starts[1:], block.shape[1])
  places = np.empty_like(chosen)
  for row, groups in enumerate(chosen):
    for k, group in enumerate(groups):
      places[row, k] = starts[group] + block[row, starts[group] : ends[group]].argmin()
  return places
