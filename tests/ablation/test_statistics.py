"""Against scipy, against cases worked by hand, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from gan_jax.ablation import statistics

INF = math.inf


def draws(kind, rng, shape):
  """Scores of runs of no difference, and their mean."""
  if kind == 'normal':
    return rng.normal(10.0, 1.0, shape), 10.0
  return rng.gamma(8.0, 1.0, shape), 8.0  # skewness 0.71


@pytest.mark.parametrize('count', [2, 3, 7])
def test_a_mean_has_students_interval(count):
  values = np.random.default_rng(count).normal(size=count)
  found = statistics.mean(values)
  low, high = stats.t.interval(0.95, count - 1, np.mean(values), stats.sem(values))
  assert found == pytest.approx((np.mean(values), low, high))


def test_a_mean_of_one_run_has_no_interval_and_one_with_a_diverged_run_none_at_all():
  assert statistics.mean(np.array([3.0])) == (3.0, -INF, INF)
  assert all(map(math.isnan, statistics.mean(np.array([3.0, INF]))))


@pytest.mark.parametrize('count', [3, 5, 9])
def test_the_permutation_test_is_scipys_over_all_signs(count):
  differences = np.random.default_rng(count).normal(0.7, 1.0, count)
  expected = stats.permutation_test(
    (differences,), np.sum, permutation_type='samples', n_resamples=np.inf
  )
  assert statistics.permutation_test(differences) == pytest.approx(expected.pvalue)


def test_the_permutation_test_of_three_equal_signs_by_hand():
  # Of eight signs, all plus and all minus reach the sum: 2 of 8.
  assert statistics.permutation_test(np.array([1.0, 2.0, 4.0])) == 0.25
  # |−1 + 2 + 4| = 5 is reached by ±(1 2 4), ±(−1 2 4): 4 of 8.
  assert statistics.permutation_test(np.array([-1.0, 2.0, 4.0])) == 0.5


def test_no_difference_at_all_is_no_evidence():
  assert statistics.permutation_test(np.zeros(6)) == 1.0


def test_many_pairs_are_tested_by_drawn_signs():
  differences = np.random.default_rng(0).normal(0.45, 1.0, 30)
  p = statistics.permutation_test(differences)
  assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=0.25)
  assert p > 0


def test_a_diverged_run_counts_as_the_greatest_difference():
  with_infinite = np.array([0.1, -0.2, INF, 0.3, 0.4])
  ranks = np.array([0.1, -0.2, 1e6, 0.3, 0.4])
  expected = stats.wilcoxon(ranks, method='exact').pvalue
  assert statistics.permutation_test(with_infinite) == pytest.approx(expected)


def test_holm_by_hand():
  # 3 · 0.01, then 2 · 0.03, then the greater of 0.06 and 0.04.
  assert statistics.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
  assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
  assert statistics.holm([]) == []


def test_the_probability_of_improvement_is_a_share_with_clopper_and_pearsons_interval():
  gains = np.array([1.0, 2.0, -1.0, 3.0])
  expected = stats.binomtest(3, 4).proportion_ci(0.95, 'exact')
  assert statistics.improvement(gains) == pytest.approx((0.75, expected.low, expected.high))
  assert statistics.improvement(np.ones(3)).high == 1.0
  assert statistics.improvement(-np.ones(3)).low == 0.0
  assert statistics.improvement(np.zeros(2)).value == 0.5


def test_the_effect_size_by_hand():
  # Mean 2, deviation 1, correction 1 − 3 / (4 · 2 − 1).
  assert statistics.effect_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 * (1 - 3 / 7))
  assert math.isnan(statistics.effect_size(np.array([1.0, 1.0, 1.0])))
  assert math.isnan(statistics.effect_size(np.array([1.0, INF, 1.0])))


def test_how_many_seeds_are_needed_is_bounded_by_what_the_test_can_give_and_by_power():
  # However large the effect: 2^(1 − n) ≤ 0.05 from n = 6, ≤ 0.05 / 4 from n = 8.
  assert statistics.seeds_needed(50.0, 1) == 6
  assert statistics.seeds_needed(50.0, 4) == 8
  # A paired t test at 0.05 has power 0.8 for an effect of 0.5 from 34 pairs (Cohen 1988, 2.4).
  assert statistics.seeds_needed(0.5, 1) == 34
  assert statistics.seeds_needed(0.0, 1) is None
  assert statistics.seeds_needed(math.nan, 1) is None


def test_a_lower_score_is_an_improvement_where_lower_is_better():
  own, base = np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0])
  (lower,) = statistics.compare({'a': (own, base)}, higher_is_better=False).values()
  (higher,) = statistics.compare({'a': (own, base)}, higher_is_better=True).values()
  assert lower.difference.value == higher.difference.value == -2.0
  assert lower.effect == higher.effect < 0
  assert (lower.improvement.value, higher.improvement.value) == (1.0, 0.0)
  assert lower.p == higher.p == lower.least_p == 0.25


def test_of_two_diverged_runs_none_is_worse():
  pair = np.array([INF, 1.0]), np.array([INF, 2.0])
  (found,) = statistics.compare({'a': pair}, higher_is_better=False).values()
  assert found.improvement.value == 0.75
  assert found.p == 1.0


@pytest.mark.parametrize('kind', ['normal', 'skewed'])
@pytest.mark.parametrize('seeds', [3, 5, 10])
def test_intervals_cover_and_nothing_is_found_where_there_is_nothing(kind, seeds):
  """2,000 ablations of four variants and a baseline that do not differ."""
  rng = np.random.default_rng(seeds)
  scores, truth = draws(kind, rng, (2000, 5, seeds))
  covered = paired = false = 0
  for one in scores:
    mean = statistics.mean(one[0])
    covered += mean.low <= truth <= mean.high
    difference = statistics.mean(one[1] - one[0])
    paired += difference.low <= 0 <= difference.high
    p = [statistics.permutation_test(one[k] - one[0]) for k in range(1, 5)]
    false += min(statistics.holm(p)) <= 0.05
  assert 0.93 <= covered / 2000 <= 0.97
  assert 0.93 <= paired / 2000 <= 0.97
  # Two standard deviations of a share of 2,000 above the level.
  assert false / 2000 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 2000)
  if seeds == 3:
    assert false == 0  # the test cannot go below 0.25
