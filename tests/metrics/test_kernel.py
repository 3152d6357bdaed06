import numpy as np
import pytest
from sklearn.metrics import pairwise

from gan_jax.metrics import kernel


def linear(x, y):
  return x @ y.T


def by_definition(k, x, y):
  n, m = len(x), len(y)
  within = lambda v: (k(v, v).sum() - np.trace(k(v, v))) / (len(v) * (len(v) - 1))
  assert k(x, y).shape == (n, m)
  return within(x) + within(y) - 2 * k(x, y).mean()


@pytest.mark.parametrize('block', [7, 2048])
def test_the_value_is_the_sum_over_pairs_in_any_blocks(monkeypatch, block):
  monkeypatch.setattr(kernel, '_BLOCK', block)
  rng = np.random.default_rng(0)
  x, y = rng.normal(size=(30, 3)), rng.normal(size=(17, 3)) + 0.5
  k = lambda a, b: pairwise.rbf_kernel(a, b, gamma=0.3)
  assert kernel.parts(k, x, y).value == pytest.approx(by_definition(k, x, y), rel=1e-6)


def test_blocks_do_not_change_the_variance(monkeypatch):
  rng = np.random.default_rng(1)
  x, y = rng.normal(size=(30, 3)), rng.normal(size=(17, 3)) + 0.5
  whole = kernel.parts(linear, x, y)
  monkeypatch.setattr(kernel, '_BLOCK', 4)
  assert kernel.parts(linear, x, y) == pytest.approx(whole, rel=1e-3)


def test_a_constant_in_the_kernel_changes_nothing():
  rng = np.random.default_rng(2)
  x, y = rng.normal(size=(30, 3)), rng.normal(size=(17, 3)) + 0.5
  raised = lambda a, b: linear(a, b) + 7
  assert kernel.parts(raised, x, y) == pytest.approx(kernel.parts(linear, x, y), rel=1e-5)


def test_the_linear_kernel_has_the_closed_form():
  """For x·y and unit Gaussians Δ apart: projections of variance |Δ|², pairs of variance F."""
  rng = np.random.default_rng(3)
  x, y = rng.normal(size=(4000, 3)), rng.normal(size=(3000, 3)) + 2
  found = kernel.parts(linear, x, y)
  assert found.value == pytest.approx(12, rel=0.1)
  assert found.single_x == pytest.approx(12, rel=0.1)
  assert found.single_y == pytest.approx(12, rel=0.1)
  for pair in (found.pair_xx, found.pair_yy, found.pair_xy):
    assert pair == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize('apart', [0.0, 0.3, 2.0])
def test_the_variance_is_the_spread_over_other_draws(apart):
  rng = np.random.default_rng(4)
  found = []
  for _ in range(500):
    x, y = rng.normal(size=(80, 3)), rng.normal(size=(50, 3)) + apart
    parts = kernel.parts(linear, x, y)
    found.append((parts.value, parts.variance(80, 50)))
  values, variances = np.array(found).T
  assert 0.85 <= variances.mean() / values.var() <= (2 if apart == 0 else 1.2)


def test_the_variance_scales_to_other_numbers_of_images():
  rng = np.random.default_rng(5)
  draw = lambda n: kernel.parts(linear, rng.normal(size=(n, 3)), rng.normal(size=(n, 3)) + 0.3)
  small = np.mean([draw(100).variance(800, 700) for _ in range(100)])
  large = np.mean([draw(800).variance(800, 700) for _ in range(10)])
  assert small == pytest.approx(large, rel=0.15)
