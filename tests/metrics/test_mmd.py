import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance
from sklearn.metrics import pairwise

from gan_jax.errors import UserError
from gan_jax.metrics import kernel, mmd
from gan_jax.metrics.features import Features


def truth(features, apart, width):
  """1,000 times the squared discrepancy of unit Gaussians so far apart in every feature."""
  same = (1 + 2 / width**2) ** (-features / 2)
  other = same * np.exp(-features * apart**2 / (2 * (width**2 + 2)))
  return 1000 * (2 * same - 2 * other)


def test_the_kernel_is_scikit_learns_and_the_width_scipys_median():
  x, y = np.random.default_rng(0).normal(size=(2, 40, 5)) + 3
  width = mmd.median_distance(x)
  assert width == pytest.approx(np.median(distance.pdist(x)), rel=1e-9)
  expected = pairwise.rbf_kernel(x, y, gamma=1 / (2 * width**2))
  np.testing.assert_allclose(mmd.gaussian(width)(x, y), expected)


def test_it_is_the_definition():
  rng = np.random.default_rng(1)
  x, y = (rng.normal(size=(n, 5)).astype(np.float32) + s for n, s in ((60, 9.0), (50, 9.3)))
  gamma = 1 / (2 * np.median(distance.pdist(x)) ** 2)
  k = lambda a, b: pairwise.rbf_kernel(a.astype(np.float64), b.astype(np.float64), gamma)
  within = lambda v: (k(v, v).sum() - len(v)) / (len(v) * (len(v) - 1))
  expected = 1000 * (within(x) + within(y) - 2 * k(x, y).mean())
  found = mmd.compute(Features(x), Features(y))['mmd'].value
  assert found == pytest.approx(expected, rel=1e-4)


def test_no_scale_of_the_features_changes_it():
  rng = np.random.default_rng(2)
  x, y = rng.normal(size=(2, 100, 5)).astype(np.float32)
  once, scaled = (mmd.compute(Features(s * x), Features(s * y + 1 * s))['mmd'] for s in (1, 50))
  assert scaled == pytest.approx(once, rel=1e-4)


def test_images_that_are_all_alike_are_refused():
  with pytest.raises(UserError, match='median distance between two images is 0'):
    mmd.compute(Features(np.ones((5, 3))), Features(np.zeros((5, 3))))


def test_the_interval_holds_the_truth_as_often_as_it_says(coverage):
  """With a given width; Gaussians have a closed form."""
  width = np.sqrt(2 * stats.chi2(8).median())

  def once(rng):
    x, y = rng.normal(size=(2, 250, 8)).astype(np.float32)
    parts = kernel.parts(mmd.gaussian(width), x, y + np.float32(0.3))
    half = 1.96 * parts.variance(250, 250) ** 0.5
    return 1000 * np.array([parts.value, parts.value - half, parts.value + half])

  assert 0.93 <= coverage(once, truth(8, 0.3, width)) <= 0.97


def test_the_median_as_width_leaves_the_interval_right(coverage):
  def once(rng):
    x, y = rng.normal(size=(2, 250, 8)).astype(np.float32)
    return mmd.compute(Features(x), Features(y + np.float32(0.3)))['mmd']

  width = np.sqrt(2 * stats.chi2(8).median())
  assert 0.93 <= coverage(once, truth(8, 0.3, width)) <= 0.97
