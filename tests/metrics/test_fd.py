import numpy as np
import pytest
from scipy import linalg

from gan_jax.metrics import fd
from gan_jax.metrics.features import Features


def features(array):
  return Features(np.asarray(array), None, None)


def test_moments_are_numpys():
  x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
  mean, covariance = fd.moments(x)
  np.testing.assert_allclose(mean, x.mean(0), rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(covariance, np.cov(x.T), rtol=1e-4, atol=1e-6)


def test_distance_is_the_formula_with_scipys_matrix_root():
  rng = np.random.default_rng(1)
  a, b = rng.normal(size=(2, 8, 8))
  c1, c2 = a @ a.T, b @ b.T
  m1, m2 = rng.normal(size=(2, 8))
  root = linalg.sqrtm(c1 @ c2).real
  expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * root)
  assert fd.frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-6)


def test_diagonal_gaussians_have_the_closed_form():
  s1, s2 = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 0.0])
  expected = 3.0 + np.sum((np.sqrt(s1) - np.sqrt(s2)) ** 2)
  actual = fd.frechet_distance(np.zeros(3), np.diag(s1), np.ones(3), np.diag(s2))
  assert actual == pytest.approx(expected, rel=1e-9)


def test_equal_sets_have_distance_zero_even_with_fewer_images_than_features():
  x = np.random.default_rng(2).normal(size=(5, 20))
  assert fd.compute(features(x), features(x))['fd'] == pytest.approx(0, abs=1e-6)


def test_a_shift_adds_its_squared_length():
  x = np.random.default_rng(3).normal(size=(100, 3))
  shifted = x + np.array([3.0, 4.0, 0.0])
  assert fd.compute(features(x), features(shifted))['fd'] == pytest.approx(25, rel=1e-6)
