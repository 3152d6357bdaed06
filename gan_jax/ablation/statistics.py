"""Statistics of scores over training seeds.

Scores of the runs of two variants are paired by seed. A run that diverged counts as worse than any
that did not: its score is infinite here, and what needs finite numbers is not given then, rather
than given of those runs that went well.
"""

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from gan_jax.metrics.estimate import LEVEL, Estimate

_MOST_EXACT = 16  # pairs of which all signs are gone through, 65,536 of them
_DRAWN = 100_000  # random signs for more pairs
_POWER = 0.8
_MOST_SEEDS = 1000  # that are looked through for an answer to «how many more»


class Comparison(NamedTuple):
  """A variant against the baseline, over the seeds that both have.

  Attributes:
    pairs: number of seeds.
    difference: mean of variant minus baseline, with its interval; NaN where a run diverged.
    improvement: probability that the variant's run is the better one of a pair, with its interval.
    effect: mean difference over its standard deviation, corrected for small samples; NaN where it
      has none.
    p: of the exact permutation test, two-sided.
    p_holm: the same after Holm's correction over the table.
    least_p: smallest that the test can give with so many pairs.
    seeds_needed: seeds with which the test would decide at these differences, by power 0.8; None
      where no number up to a thousand would.
  """

  pairs: int
  difference: Estimate
  improvement: Estimate
  effect: float
  p: float
  p_holm: float
  least_p: float
  seeds_needed: int | None


def mean(values: np.ndarray) -> Estimate:
  """Mean over seeds with Student's interval; NaN where a value is not finite.

  One value has no interval: its ends are infinite.
  """
  if not len(values) or not np.isfinite(values).all():
    return Estimate(math.nan, math.nan, math.nan)
  centre = float(np.mean(values))
  if len(values) < 2:
    return Estimate(centre, -math.inf, math.inf)
  error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
  half = error * float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))
  return Estimate(centre, centre - half, centre + half)


def compare(
  variants: dict[str, tuple[np.ndarray, np.ndarray]], higher_is_better: bool
) -> dict[str, Comparison]:
  """Compares each variant with the baseline.

  Args:
    variants: by name, the scores of its runs and those of the baseline's with the same seeds; of
      runs that diverged, infinite ones.
    higher_is_better: which way scores are read.
  """
  sign = 1.0 if higher_is_better else -1.0
  gains = {name: _differences(sign * own, sign * base) for name, (own, base) in variants.items()}
  tested = {name: permutation_test(gain) for name, gain in gains.items() if len(gain)}
  corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
  return {
    name: _comparison(gain, sign, tested[name], corrected[name], len(tested))
    for name, gain in gains.items()
    if name in tested
  }


def permutation_test(differences: np.ndarray) -> float:
  """Two-sided p of the mean of paired differences, under exchange within each pair.

  All signs are gone through up to 16 pairs, and as good as all drawn above (Fisher 1935, The Design
  of Experiments, Section 21). With infinite differences it is of their signed ranks (Wilcoxon 1945,
  Biometrics Bulletin 1), where an infinite one has the highest.
  """
  values = np.asarray(differences, float)
  if not np.isfinite(values).all():
    values = np.sign(values) * stats.rankdata(np.abs(values))
  observed = abs(values.sum())
  if len(values) <= _MOST_EXACT:
    signs = _all_signs(len(values))
    extra = 0
  else:
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (_DRAWN, len(values)))
    extra = 1  # the signs that were observed are among those that could be drawn
  sums = np.abs(signs @ values)
  reached = np.sum(sums >= observed * (1 - 1e-12))
  return float((reached + extra) / (len(signs) + extra))


def least_p(pairs: int) -> float:
  """The smallest p that the test can give: all differences of one sign, and their mirror."""
  return 2.0 ** (1 - pairs)


def holm(p_values: Sequence[float]) -> list[float]:
  """Adjusted p values (Holm 1979, Scandinavian Journal of Statistics 6)."""
  order = np.argsort(p_values, kind='stable')
  adjusted = [0.0] * len(p_values)
  so_far = 0.0
  for rank, index in enumerate(order):
    so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[index]))
    adjusted[index] = so_far
  return adjusted


def improvement(gains: np.ndarray) -> Estimate:
  """Probability of a positive difference, ties half, with Clopper and Pearson's interval (1934)."""
  wins = float(np.sum(gains > 0) + 0.5 * np.sum(gains == 0))
  count, outside = len(gains), (1 - LEVEL) / 2
  low = stats.beta.ppf(outside, wins, count - wins + 1) if wins > 0 else 0.0
  high = stats.beta.ppf(1 - outside, wins + 1, count - wins) if wins < count else 1.0
  return Estimate(wins / count, float(low), float(high))


def effect_size(differences: np.ndarray) -> float:
  """Mean over standard deviation of paired differences, times Hedges's correction (1981)."""
  if len(differences) < 3 or not np.isfinite(differences).all():  # of two, nothing is corrected
    return math.nan
  spread = float(np.std(differences, ddof=1))
  if spread == 0:
    return math.nan
  freedom = len(differences) - 1
  correction = 1 - 3 / (4 * freedom - 1)
  return float(np.mean(differences)) / spread * correction


def seeds_needed(effect: float, comparisons: int) -> int | None:
  """Seeds with which a difference of this size would be told, with power 0.8 after Holm.

  Enough that the permutation test can reach the level at all, and that the paired t test, which it
  comes close to, has the power.

  Args:
    effect: mean difference over its standard deviation.
    comparisons: in the table, of which this one may have the smallest p.
  """
  level = (1 - LEVEL) / comparisons
  if not math.isfinite(effect) or effect == 0:
    return None

  def enough(count: int) -> bool:
    critical = stats.t.ppf(1 - level / 2, count - 1)
    power = stats.nct.sf(critical, count - 1, abs(effect) * math.sqrt(count))
    return least_p(count) <= level and bool(power >= _POWER)

  counts = range(2, _MOST_SEEDS + 1)
  place = bisect.bisect_left(counts, True, key=enough)
  return counts[place] if place < len(counts) else None


def _comparison(
  gains: np.ndarray, sign: float, p: float, p_holm: float, comparisons: int
) -> Comparison:
  effect = effect_size(gains)
  return Comparison(
    pairs=len(gains),
    difference=mean(sign * gains),
    improvement=improvement(gains),
    effect=sign * effect,
    p=p,
    p_holm=p_holm,
    least_p=least_p(len(gains)),
    seeds_needed=seeds_needed(effect, comparisons),
  )


def _differences(own: np.ndarray, base: np.ndarray) -> np.ndarray:
  """Own minus base; two runs that both diverged are equally bad."""
  with np.errstate(invalid='ignore'):
    return np.where(own == base, 0.0, own - base)


def _all_signs(count: int) -> np.ndarray:
  return np.array(list(itertools.product((-1.0, 1.0), repeat=count))).reshape(-1, count)
