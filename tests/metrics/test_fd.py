import numpy as np
import pytest
from scipy import linalg

from gan_jax.metrics import fd
from gan_jax.metrics.features import Features


def compute(real, fake):
  return fd.compute(Features(np.asarray(real)), Features(np.asarray(fake)))['fd']


def by_sqrtm(m1, c1, m2, c2):
  return np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real)


def gaussians(features, seed=0):
  """Two Gaussians as (mean, mixing), and their distance."""
  rng = np.random.default_rng(seed)
  scale = np.diag(1 / np.sqrt(1 + np.arange(features)))
  other = scale @ (np.eye(features) + 0.4 * rng.normal(size=(features,) * 2) / features**0.5)
  m1, m2 = np.zeros(features), 0.2 * rng.normal(size=features)
  return (m1, scale), (m2, other), by_sqrtm(m1, scale.T @ scale, m2, other.T @ other)


def draw(rng, count, gaussian):
  mean, mixing = gaussian
  return (rng.normal(size=(count, len(mean))) @ mixing + mean).astype(np.float32)


def test_it_is_pytorch_fids(oracles):
  for (real, fake), answers in oracles['cases'].values():
    assert compute(real, fake).value == pytest.approx(answers['pytorch_fid'], rel=1e-6)
    assert fd.distance(real, fake) == pytest.approx(answers['pytorch_fid'], rel=1e-6)


@pytest.mark.parametrize('seed', range(4))
def test_the_distance_of_a_set_to_itself_is_not_below_0(seed):
  x = np.random.default_rng(seed).normal(size=(200, 16)).astype(np.float32)
  found = compute(x, x)
  assert 0 == found.low <= found.value <= found.high < 1e-4


@pytest.mark.parametrize('count', [5, 5000])
def test_moments_are_numpys(count):
  x = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32) + 10
  mean, covariance = fd.moments(x)
  np.testing.assert_allclose(mean, x.astype(np.float64).mean(0), rtol=1e-12)
  np.testing.assert_allclose(covariance, np.cov(x.astype(np.float64).T), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('features', [2, 8, 64])
def test_the_trace_is_scipys_matrix_root(features):
  rng = np.random.default_rng(1)
  a, b = rng.normal(size=(2, features, features + 3))
  c1, c2 = a @ a.T, b @ b.T
  root = linalg.sqrtm(c1 @ c2).real
  zero = np.zeros(features)
  trace = (np.trace(c1 + c2) - fd.frechet_distance(zero, c1, zero, c2)) / 2
  assert trace == pytest.approx(np.trace(root), rel=1e-6)


def test_diagonal_gaussians_have_the_closed_form_even_where_they_are_singular():
  s1, s2 = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 0.0])
  expected = 3.0 + np.sum((np.sqrt(s1) - np.sqrt(s2)) ** 2)
  actual = fd.frechet_distance(np.zeros(3), np.diag(s1), np.ones(3), np.diag(s2))
  assert actual == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize('counts', [(12, 9), (12, 60), (60, 12), (60, 50)])
def test_every_number_of_images_beside_features_gives_the_formula(counts):
  rng = np.random.default_rng(2)
  x, y = (rng.normal(size=(count, 20)) for count in counts)
  y[:, 3] = 1.0  # never varies
  expected = fd.frechet_distance(*fd.moments(x), *fd.moments(y))
  assert fd.distance(x, y) == pytest.approx(expected, rel=1e-6)
  assert compute(x, y).value == pytest.approx(expected, rel=1e-6)


def test_equal_sets_have_distance_zero_even_with_fewer_images_than_features():
  x = np.random.default_rng(2).normal(size=(5, 20))
  assert compute(x, x) == pytest.approx((0, 0, 0), abs=1e-5)


def test_sets_without_any_spread_are_apart_by_their_means():
  assert compute(np.zeros((5, 3)), np.full((4, 3), 2.0)).value == pytest.approx(12)


def test_a_shift_adds_its_squared_length_and_order_of_sets_does_not_matter():
  x = np.random.default_rng(3).normal(size=(100, 3))
  shifted = x + np.array([3.0, 4.0, 0.0])
  assert compute(x, shifted).value == pytest.approx(25, rel=1e-6)
  assert compute(shifted, x) == pytest.approx(compute(x, shifted))


def test_the_error_is_the_jackknifes():
  rng = np.random.default_rng(4)
  x, y = rng.normal(size=(300, 3)), rng.normal(size=(250, 3)) * 1.5 + 0.3
  leave_out = lambda a, b: [fd.distance(np.delete(a, i, 0), b) for i in range(len(a))]
  spread = lambda values: np.var(values) * (len(values) - 1)
  expected = np.sqrt(spread(leave_out(x, y)) + spread(leave_out(y, x)))
  assert fd.distance_with_error(x, y)[1] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
  ('features', 'counts'), [(8, (400, 300)), (40, (200, 120)), (40, (30, 90))]
)
def test_the_error_is_the_spread_over_other_images(features, counts):
  first, second, _ = gaussians(features)
  rng = np.random.default_rng(5)
  found = np.array(
    [
      fd.distance_with_error(draw(rng, counts[0], first), draw(rng, counts[1], second))
      for _ in range(100)
    ]
  )
  assert 0.85 <= found[:, 1].mean() / found[:, 0].std() <= 1.35


@pytest.mark.parametrize('counts', [(60, 50), (12, 9)])
@pytest.mark.parametrize('scale', [1e-6, 1e6])
def test_features_of_another_unit_have_the_same_distance_and_error_in_it(counts, scale):
  rng = np.random.default_rng(8)
  x, y = (rng.normal(size=(count, 20)) + 0.1 * count for count in counts)
  expected = scale**2 * np.array(fd.distance_with_error(x, y))
  np.testing.assert_allclose(fd.distance_with_error(scale * x, scale * y), expected, rtol=1e-4)


def test_where_both_are_the_same_the_error_is_not_too_small():
  rng, (first, *_) = np.random.default_rng(6), gaussians(16)
  found = [fd.distance_with_error(draw(rng, 200, first), draw(rng, 200, first)) for _ in range(200)]
  values, errors = np.array(found).T
  assert 1 <= errors.mean() / values.std() <= 2


@pytest.mark.parametrize('features', [2, 8, 16])
def test_the_interval_holds_the_distance_of_known_gaussians_at_10000_images(features):
  first, second, truth = gaussians(features)
  rng = np.random.default_rng(7)
  found = compute(draw(rng, 10_000, first), draw(rng, 10_000, second))
  assert found.low < truth < found.high
  assert found.high - found.low < 0.02 + 0.1 * truth
