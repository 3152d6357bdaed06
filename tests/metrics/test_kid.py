import numpy as np
import pytest

from gan_jax.metrics import kid
from gan_jax.metrics.features import Features


def by_definition(x, y):
  """Every pair in a loop."""
  k = lambda a, b: (a @ b / len(a) + 1) ** 3
  n, m = len(x), len(y)
  within = lambda v: sum(k(v[i], v[j]) for i in range(len(v)) for j in range(len(v)) if i != j)
  across = sum(k(a, b) for a in x for b in y)
  return within(x) / (n * (n - 1)) + within(y) / (m * (m - 1)) - 2 * across / (n * m)


def test_squared_mmd_is_the_sum_over_pairs():
  rng = np.random.default_rng(0)
  x, y = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)) + 0.5
  assert kid.squared_mmd(x, y) == pytest.approx(by_definition(x, y), rel=1e-9)


def test_its_mean_over_equal_distributions_is_zero_at_any_size():
  rng = np.random.default_rng(1)
  for size in (5, 50):
    values = [kid.squared_mmd(*rng.normal(size=(2, size, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20


def test_compute_tells_distributions_apart_and_repeats_itself():
  rng = np.random.default_rng(2)
  wrap = lambda x: Features(x, None, None)
  real, same, other = (wrap(rng.normal(size=(300, 4)) + s) for s in (0.0, 0.0, 1.0))
  near, far = kid.compute(real, same), kid.compute(real, other)
  assert abs(near['kid']) < 0.1 * far['kid']
  assert kid.compute(real, other) == far
