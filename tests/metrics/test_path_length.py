import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UserError
from gan_jax.metrics import path_length


def pairs(distances, epsilon, size=3):
  """Features whose squared distances over epsilon² are given."""
  rng = np.random.default_rng(0)
  first = rng.normal(size=(len(distances), size))
  way = rng.normal(size=first.shape)
  way /= np.linalg.norm(way, axis=1, keepdims=True)
  return first, first + way * epsilon * np.sqrt(distances)[:, None]


def test_it_is_the_mean_without_the_outer_percents():
  distances = np.random.default_rng(1).permutation(np.arange(1.0, 1002.0))
  score = path_length.compute(*pairs(distances, 0.1), 0.1)['path_length']
  # The 1st percentile of 1..1001 is 11 and the 99th is 991: both are kept.
  assert score.value == pytest.approx(np.arange(11, 992).mean(), rel=1e-9)
  heavy = np.where(distances == 1001, 1e9, distances)
  assert path_length.compute(*pairs(heavy, 0.1), 0.1)['path_length'].value == pytest.approx(
    score.value, rel=1e-6
  )


def test_the_error_is_that_of_a_trimmed_mean():
  distances = np.random.default_rng(4).exponential(size=1000)
  score = path_length.compute(*pairs(distances, 0.1), 0.1)['path_length']
  held = np.sort(distances)[9:-9]
  winsorised = distances.clip(held[0], held[-1])
  expected = 1.959964 * winsorised.std(ddof=1) / (len(held) / 1000 * np.sqrt(1000))
  assert score.high - score.value == pytest.approx(expected, rel=1e-6)


def test_of_few_pairs_none_is_left_out():
  distances = np.array([1.0, 2.0, 6.0])
  score = path_length.compute(*pairs(distances, 1e-2), 1e-2)['path_length']
  assert score.value == pytest.approx(3.0)
  error = stats.sem(distances)
  assert score.high - score.value == pytest.approx(1.959964 * error, rel=1e-6)


def test_a_straight_path_has_the_square_of_its_slope():
  rng = np.random.default_rng(2)
  slope, t = rng.normal(size=5), rng.uniform(size=(200, 1))
  for epsilon in (1e-2, 1e-3):
    score = path_length.compute(t * slope, (t + epsilon) * slope, epsilon)['path_length']
    assert score.value == pytest.approx(slope @ slope, rel=1e-9)
    assert score.high - score.low < 1e-6


def test_the_interval_holds_the_trimmed_mean_as_often_as_it_says():
  rng = np.random.default_rng(3)
  low, high = stats.expon.ppf([0.01, 0.99])
  truth = stats.expon.expect(lambda x: x, lb=low, ub=high, conditional=True)
  found = []
  for _ in range(1000):
    first = np.zeros((500, 1))
    score = path_length.compute(first, np.sqrt(rng.exponential(size=(500, 1))), 1.0)['path_length']
    found.append(score.low <= truth <= score.high)
  assert 0.925 < np.mean(found) < 0.965  # 95 % within three standard errors, and skewed at N = 500


def test_fewer_than_two_pairs_are_refused():
  with pytest.raises(UserError, match='1 pairs of generated images; needed: at least 2'):
    path_length.compute(np.zeros((1, 3)), np.ones((1, 3)), 0.1)
