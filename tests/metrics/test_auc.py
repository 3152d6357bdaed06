import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UserError
from gan_jax.metrics.auc import auc
from gan_jax.metrics.estimate import from_share_with_error


def test_the_area_is_mann_whitneys():
  rng = np.random.default_rng(0)
  own, theirs = rng.integers(0, 9, 40), rng.integers(0, 7, 30)
  statistic = stats.mannwhitneyu(own, theirs).statistic
  assert auc(own, theirs).value == pytest.approx(statistic / (40 * 30))
  assert auc(theirs, own).value == pytest.approx(1 - statistic / (40 * 30))


def test_the_error_is_delongs_of_all_pairs():
  """The variances over either side, without bias, of the shares of pairs that are won."""
  rng = np.random.default_rng(0)
  own, theirs = rng.integers(0, 9, 7), rng.integers(0, 7, 5)
  won = (own[:, None] > theirs) + 0.5 * (own[:, None] == theirs)
  error = np.sqrt(won.mean(1).var(ddof=1) / 7 + won.mean(0).var(ddof=1) / 5)
  expected = from_share_with_error(won.mean(), error, 10**6)  # by the error alone
  assert auc(own, theirs) == pytest.approx(expected)


@pytest.mark.parametrize(('shift', 'sizes'), [(0, (60, 60)), (0.2, (400, 50)), (2.3, (80, 80))])
def test_the_interval_holds_the_truth_as_often_as_it_says(coverage, shift, sizes):
  draw = lambda rng: auc(rng.normal(shift, 1, sizes[0]), rng.normal(0, 1, sizes[1]))
  truth = stats.norm.cdf(shift / np.sqrt(2))
  assert 0.93 <= coverage(draw, truth) <= 0.975


def test_images_of_one_patient_are_one_unit(coverage):
  def draw(rng, by_group):
    sides, groups = [], []
    for name in 'ab':
      sizes = rng.integers(2, 20, 30)
      sides.append(np.repeat(rng.normal(size=30), sizes) + 0.3 * rng.normal(size=sizes.sum()))
      groups.append(np.repeat([f'{name}{i}' for i in range(30)], sizes))
    return auc(*sides, *(groups if by_group else (None, None)))

  assert 0.92 <= coverage(lambda rng: draw(rng, True), 0.5) <= 0.975
  assert coverage(lambda rng: draw(rng, False), 0.5) < 0.8


def test_groups_of_one_image_change_nothing():
  rng = np.random.default_rng(0)
  own, theirs = rng.normal(1, 1, 20), rng.normal(size=30)
  by_group = auc(own, theirs, np.arange(20).astype(str), np.arange(20, 50).astype(str))
  assert by_group == pytest.approx(auc(own, theirs), rel=0.03)


def test_sets_wholly_apart_keep_a_width():
  found = auc(np.arange(10, 20), np.arange(10))
  assert found.value == found.high == 1
  assert 0.7 < found.low < 0.95


def test_what_cannot_be_told_is_refused():
  with pytest.raises(UserError, match='negative: 1 of 2 scores are no numbers'):
    auc(np.zeros(2), np.array([0, np.nan]))
  with pytest.raises(UserError, match='1 group on a side'):
    auc(np.zeros(2), np.zeros(2), np.array(['a', 'a']), np.array(['b', 'c']))
