import re

import numpy as np
import pytest
from sklearn.metrics import pairwise

from gan_jax.errors import UserError
from gan_jax.metrics import kernel, kid
from gan_jax.metrics.features import Features


def by_definition(x, y):
  """Every pair in a loop."""
  k = lambda a, b: (a @ b / len(a) + 1) ** 3
  n, m = len(x), len(y)
  within = lambda v: sum(k(v[i], v[j]) for i in range(len(v)) for j in range(len(v)) if i != j)
  across = sum(k(a, b) for a in x for b in y)
  return within(x) / (n * (n - 1)) + within(y) / (m * (m - 1)) - 2 * across / (n * m)


def test_it_is_torch_fidelitys_on_the_same_subsets(oracles):
  count, size = oracles['KID_SUBSETS']
  for name, ((real, fake), answers) in oracles['cases'].items():
    rng = np.random.RandomState(2020)
    pick = lambda x, rng=rng: rng.choice(len(x), size, replace=False)
    rows = np.array([(pick(real), pick(fake)) for _ in range(count)])
    found = kid.of_subsets(real, fake, rows[:, 0], rows[:, 1]).mean()
    # That package sums in float32: of the kernel's mean it keeps seven digits.
    digits = 1e-7 * float(kid.cubic(real, fake).mean())
    assert found == pytest.approx(answers['torch_fidelity_kid'], rel=1e-4, abs=3 * digits), name


def test_it_is_torch_fidelitys_by_default(oracles):
  (real, fake), answers = oracles['cases']['default kid']
  found = kid.compute(Features(real), Features(fake))['kid']
  assert found.value == pytest.approx(answers['torch_fidelity_default_kid'], rel=1e-4)


def test_squared_mmd_is_the_sum_over_pairs():
  rng = np.random.default_rng(0)
  x, y = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)) + 0.5
  assert kid.squared_mmd(x, y) == pytest.approx(by_definition(x, y), rel=1e-9)


def test_the_kernel_is_scikit_learns():
  x, y = np.random.default_rng(1).normal(size=(2, 6, 5))
  np.testing.assert_allclose(kid.cubic(x, y), pairwise.polynomial_kernel(x, y, degree=3))


def test_its_mean_over_equal_distributions_is_zero_at_any_size():
  rng = np.random.default_rng(1)
  for size in (5, 50):
    values = [kid.squared_mmd(*rng.normal(size=(2, size, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20


def test_float32_loses_nothing_that_the_interval_shows():
  rng = np.random.default_rng(2)
  x, y = np.abs(rng.normal(size=(2, 1000, 64))).astype(np.float32) + 1
  exact = kid.squared_mmd(x.astype(np.float64), y.astype(np.float64))
  found = kid.compute(Features(x), Features(y))['kid']
  assert abs(found.value - exact) < 1e-3 * (found.high - found.low)


@pytest.mark.parametrize('scale', [2e3, 1e6])
def test_large_features_have_finite_intervals(scale):
  rng = np.random.default_rng(3)
  x, y = (scale * rng.normal(size=(2, 80, 16))).astype(np.float32)
  found = kid.compute(Features(x), Features(y))['kid']
  exact = kid.squared_mmd(x.astype(np.float64), y.astype(np.float64))
  assert found.value == pytest.approx(exact, rel=1e-9)
  assert np.isfinite(found).all()
  assert found.low < found.value < found.high


@pytest.mark.parametrize('side', [0, 1])
def test_one_image_of_large_features_costs_no_digits(side):
  sides = np.random.default_rng(3).normal(size=(2, 30, 16)).astype(np.float32)
  sides[side, 4] *= 100
  exact = by_definition(*sides.astype(np.float64))
  found = kid.compute(*map(Features, sides))['kid']
  assert found.value == pytest.approx(exact, rel=1e-6)
  assert found.low < found.value < found.high


def test_features_that_are_far_from_0_have_finite_intervals():
  rng = np.random.default_rng(4)
  x, y = (1e6 + rng.normal(size=(2, 80, 16))).astype(np.float32)
  assert np.isfinite(kid.compute(Features(x), Features(y))['kid']).all()


@pytest.mark.parametrize('side', [0, 1])
def test_features_too_large_for_the_kernel_are_refused_with_the_largest_mean_square(side):
  sides = np.random.default_rng(5).normal(size=(2, 20, 4)).astype(np.float32)
  sides[side] *= np.float32(1e37)
  largest = np.square(sides.astype(np.float64)).mean(axis=2).max()
  said = (
    f"kid: not finite; the mean square of an image's features is up to {largest:.1e}, too large"
  )
  with pytest.raises(UserError, match=f'^{re.escape(said)} for the kernel$'):
    kid.compute(*map(Features, sides))


def test_two_images_of_each_set_are_enough():
  sides = np.random.default_rng(7).normal(size=(2, 2, 4))
  assert kid.compute(*map(Features, sides))['kid'].value == pytest.approx(by_definition(*sides))


def test_the_interval_holds_the_draw_of_subsets():
  x, y = np.random.default_rng(6).normal(size=(2, 1500, 4)).astype(np.float32)
  found = kid.compute(Features(x), Features(y))['kid']
  values = kid.of_subsets(x, y, *kid.draw_subsets(1500, 1500))
  images = kernel.parts(kid.cubic, x, y).variance(1500, 1500)
  error = np.sqrt(images + np.var(values, ddof=1) / 100)
  assert (found.high - found.low) / 2 == pytest.approx(1.959964 * error, rel=1e-6)
  assert error > 1.001 * np.sqrt(images)


def test_one_subset_is_enough_where_it_is_everything():
  rows_x, rows_y = kid.draw_subsets(300, 300)
  assert len(rows_x) == len(rows_y) == 1
  assert set(rows_x[0]) == set(range(300))
  rows_x, rows_y = kid.draw_subsets(300, 2000)
  assert rows_x.shape == rows_y.shape == (100, 300)
  assert all(len(set(rows)) == 300 for rows in rows_y)


@pytest.mark.parametrize('sizes', [(250, 250), (150, 250)])
def test_the_interval_holds_the_truth_as_often_as_it_says(coverage, sizes):
  """For Gaussians about 0, k's mean is 1 + 3 tr(ΣΣ') / F², and the score 3 |Σ − Σ'|² / F²."""
  s1, s2 = np.full(8, 1.0), np.linspace(0.5, 3, 8)
  truth = 3 * np.sum((s1 - s2) ** 2) / 64

  def once(rng):
    x, y = (rng.normal(size=(n, 8)) * np.sqrt(s) for n, s in zip(sizes, (s1, s2), strict=True))
    return kid.compute(Features(x.astype(np.float32)), Features(y.astype(np.float32)))['kid']

  equal = sizes[0] == sizes[1]  # otherwise a hundred subsets each: fewer draws
  assert (0.93 if equal else 0.91) <= coverage(once, truth, 500 if equal else 100) <= 0.97
