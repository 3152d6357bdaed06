import numpy as np
import pytest
from scipy import stats

from gan_jax.metrics import estimate


def test_the_normal_interval_is_scipys():
  low, high = stats.norm(3, 2).interval(0.95)
  assert estimate.from_error(3, 2) == pytest.approx((3, low, high))


@pytest.mark.parametrize('hits', [0, 1, 7, 20])
def test_the_interval_of_a_share_is_scipys(hits):
  expected = stats.binomtest(hits, 20).proportion_ci(method='wilson')
  assert estimate.from_share(hits, 20) == pytest.approx((hits / 20, *expected))


@pytest.mark.parametrize('share', [0.02, 0.5, 0.8])
def test_a_shares_interval_holds_the_truth_as_often_as_it_says(share):
  chances = stats.binom(300, share).pmf(range(301))
  found = [estimate.from_share(hits, 300) for hits in range(301)]
  holds = [e.low <= share <= e.high for e in found]
  assert 0.93 <= chances @ holds <= 0.97


def test_an_error_beyond_counting_widens_a_shares_interval():
  counting = np.sqrt(0.3 * 0.7 / 400)
  plain = estimate.from_share(120, 400)
  assert estimate.from_share_with_error(0.3, counting, 400) == pytest.approx(plain)
  assert estimate.from_share_with_error(0.3, counting / 5, 400) == pytest.approx(plain)
  wide = estimate.from_share_with_error(0.3, 2 * counting, 400)
  assert wide.high - wide.low == pytest.approx(2 * (plain.high - plain.low), rel=0.03)


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_a_share_of_none_or_all_keeps_a_width_within_0_and_1(share):
  found = estimate.from_share_with_error(share, 0.0, 100)
  assert found == estimate.from_share(100 * share, 100)
  assert 0 <= found.low < found.high <= 1


@pytest.mark.parametrize(
  ('shares', 'counts'), [((0.02, 0.01), (1000, 500)), ((0.3, 0.5), (80, 60))]
)
def test_a_difference_of_shares_holds_the_truth_as_often_as_it_says(coverage, shares, counts):
  def draw(rng):
    pair = (estimate.from_share(rng.binomial(n, p), n) for n, p in zip(counts, shares, strict=True))
    return estimate.difference(*pair)

  assert 0.93 <= coverage(draw, shares[0] - shares[1]) <= 0.98
