"""A score with the interval that says how sure it is."""

import math
from typing import NamedTuple

LEVEL = 0.95
QUANTILE = 1.959963984540054  # of the standard normal at (1 + LEVEL) / 2


class Estimate(NamedTuple):
  """A score and its confidence interval at `LEVEL`.

  Attributes:
    value: the score.
    low: lower end of the interval; equal to `value` where nothing was drawn at random.
    high: upper end.
  """

  value: float
  low: float
  high: float


def from_error(value: float, standard_error: float) -> Estimate:
  """The normal interval of an estimate that is about normally distributed."""
  half = QUANTILE * standard_error
  return Estimate(float(value), float(value - half), float(value + half))


def from_share(hits: float, count: float) -> Estimate:
  """Wilson's interval of a share `hits / count` (Wilson 1927, JASA 22): right at 0 and 1 too."""
  share, z2 = hits / count, QUANTILE**2
  middle = (share + z2 / (2 * count)) / (1 + z2 / count)
  half = math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) * QUANTILE
  half /= 1 + z2 / count
  return Estimate(share, min(share, middle - half), max(share, middle + half))


def from_share_with_error(share: float, standard_error: float, count: int) -> Estimate:
  """Wilson's interval of a share of `count` whose error is not only that of counting.

  As if of so few images that counting alone gave that error, at most `count`; so it stays within
  0 and 1, and has a width where no error was seen.
  """
  counting = share * (1 - share)
  if standard_error > 0:
    alike = min(float(count), counting / standard_error**2)
    if alike > 0:
      return from_share(share * alike, alike)
  return from_share(share * count, count)


def difference(one: Estimate, other: Estimate) -> Estimate:
  """Of two shares that are independent, with Newcombe's interval (Statistics in Medicine 17, 1998).

  His method 10: by the intervals of both, so that it is right where they are near 0.
  """
  value = one.value - other.value
  below = math.hypot(one.value - one.low, other.high - other.value)
  above = math.hypot(one.high - one.value, other.value - other.low)
  return Estimate(value, value - below, value + above)
