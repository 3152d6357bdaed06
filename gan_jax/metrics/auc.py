"""How well a score tells two sets apart: the area under the ROC curve, with its interval.

The area is the chance that an image of the one set scores higher than one of the other, ties
counting half (Bamber 1975). Its variance is DeLong's (Biometrics 44, 1988), from each image's own
share; images of one group, such as a patient, are one unit (Obuchowski, Biometrics 53, 1997).
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.estimate import Estimate, from_share_with_error


def auc(
  positive: np.ndarray,
  negative: np.ndarray,
  positive_groups: np.ndarray | None = None,
  negative_groups: np.ndarray | None = None,
) -> Estimate:
  """The area under the ROC curve, 0.5: not told apart; 1: positive ones always score higher.

  The interval is Wilson's, of as many draws as would give the variance: within 0 and 1, and of some
  width where no pair was told wrongly.

  Args:
    positive: scores `[m]`, m ≥ 2.
    negative: scores `[n]`, n ≥ 2.
    positive_groups: `[m]`, of what belongs together; None: each image by itself.
    negative_groups: `[n]`, likewise; a group may be on both sides.

  Raises:
    UserError: for fewer groups than two on a side, or scores that are not numbers.
  """
  sides = {'positive': np.asarray(positive), 'negative': np.asarray(negative)}
  for name, values in sides.items():
    if np.isnan(values).any():
      raise UserError(
        f'{name}: {np.isnan(values).sum():,} of {len(values):,} scores are no numbers'
      )
  own = _shares(sides['positive'], sides['negative'])
  theirs = 1 - _shares(sides['negative'], sides['positive'])
  area = float(own.mean())
  units = _units(positive_groups, negative_groups, len(own), len(theirs))
  few = min(len(np.unique(unit)) for unit in units)
  if few < 2:
    raise UserError(f'{few} group on a side; accepted: at least 2')
  error = np.sqrt(_variance(own - area, theirs - area, *units))
  sizes = [len(np.unique(unit)) for unit in units]
  # What an area near 1 is as sure as (Hanley and McNeil 1982, Eq. 2): more is not claimed.
  count = max(1, 4 * sizes[0] * sizes[1] // (sizes[0] + sizes[1]))
  return from_share_with_error(area, error, count)


def _shares(values: np.ndarray, others: np.ndarray) -> np.ndarray:
  """Of each value, the share of the others that it is above, ties half."""
  ascending = np.sort(others)
  below = np.searchsorted(ascending, values, 'left') + np.searchsorted(ascending, values, 'right')
  return below / (2 * len(others))


def _units(
  positive: np.ndarray | None, negative: np.ndarray | None, m: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
  """The unit of each image as a number: equal where groups are, across both sides."""
  names: list[np.ndarray] = []
  for side, groups, count in (('p', positive, m), ('n', negative, n)):
    own = np.arange(count) if groups is None else np.asarray(groups)
    names.append(np.char.add(side if groups is None else 'group ', own.astype(str)))
  _, numbers = np.unique(np.concatenate(names), return_inverse=True)
  return numbers[:m], numbers[m:]


def _variance(
  own: np.ndarray, theirs: np.ndarray, own_units: np.ndarray, their_units: np.ndarray
) -> float:
  """Of the sums over units of what each image differs from the area by."""
  count = 1 + max(own_units.max(), their_units.max())
  sums = np.stack(
    [
      np.bincount(units, values, count) / len(values)
      for values, units in ((own, own_units), (theirs, their_units))
    ]
  )
  factors = [len(np.unique(units)) for units in (own_units, their_units)]
  spread = sum(f / (f - 1) * np.sum(s**2) for f, s in zip(factors, sums, strict=True))
  both = np.intersect1d(own_units, their_units)
  if len(both) > 1:
    spread += 2 * len(both) / (len(both) - 1) * np.sum(sums[0] * sums[1])
  return float(max(spread, 0))
