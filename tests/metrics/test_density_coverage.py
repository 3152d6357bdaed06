import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.metrics import density_coverage
from gan_jax.metrics.features import Features


def compute(real, fake):
  return density_coverage.compute(Features(np.asarray(real)), Features(np.asarray(fake)))


def draw(rng, count, scale=1.0):
  return (scale * rng.normal(size=(count, 4))).astype(np.float32)


def test_they_are_prdcs(oracles):
  for (real, fake), answers in oracles['cases'].values():
    for name, found in compute(real, fake).items():
      assert found.value == pytest.approx(answers['prdc_5'][name], abs=1e-12)


def test_equal_sets_have_density_and_coverage_1_and_sets_far_apart_none():
  x = draw(np.random.default_rng(0), 100)
  assert [e.value for e in compute(x, x).values()] == [1, 1]
  assert [e.value for e in compute(x, x + 100).values()] == [0, 0]


def test_the_same_distribution_has_density_1_and_the_coverage_of_the_closed_form():
  """Of k real and M fake neighbours in random order; arXiv:2002.09797, Eq. 13."""
  rng = np.random.default_rng(1)
  n, m, k = 1000, 800, 5
  found = compute(draw(rng, n), draw(rng, m))
  assert found['density'].low < 1 < found['density'].high
  expected = 1 - np.prod([(n - 1 - i) / (n + m - 1 - i) for i in range(k)])
  assert found['coverage'].low < expected < found['coverage'].high


def test_an_outlier_among_the_reals_moves_them_little():
  rng = np.random.default_rng(2)
  real, fake = draw(rng, 200), draw(rng, 200) + 6
  real[0] = 6
  found = compute(real, fake)
  assert found['density'].value < 0.25
  assert found['coverage'].value < 0.05


@pytest.mark.parametrize(
  ('apart', 'truth'), [(0.0, 1.0), (2.0, 0.1), (2.6, 0.025), (4.5, 0.0)], ids=str
)
def test_the_interval_of_the_density_holds_the_mean_however_few_are_hit(coverage, apart, truth):
  found = []

  def once(rng):
    found.append(compute(draw(rng, 150), draw(rng, 150) + apart)['density'])
    return found[-1]

  assert 0.92 <= coverage(once, count=200) <= 1
  assert np.mean([e.value for e in found]) == pytest.approx(truth, rel=0.3, abs=1e-3)
  assert all(0 <= e.low <= e.value < e.high for e in found)


def test_no_hit_has_the_poisson_upper_limit_and_no_lower_end_is_below_0():
  x = draw(np.random.default_rng(3), 100)
  assert compute(x, x + 100)['density'] == pytest.approx((0, 0, -np.log(0.025) / 100))
  y = x + 100
  y[0] = x[0]
  found = compute(x, y)['density']
  assert 0 < found.low < found.value < found.high
  assert found.high < 1  # one image of a hundred was hit: not as many as real ones are


@pytest.mark.parametrize('name', ['density', 'coverage'])
def test_the_interval_holds_the_mean_of_other_images(coverage, name):
  once = lambda rng: compute(draw(rng, 150), draw(rng, 120, 1.4))[name]
  assert 0.92 <= coverage(once, count=150) <= 0.99


def test_fewer_images_than_two_halves_with_five_neighbours_each_are_refused():
  x = draw(np.random.default_rng(4), 12)
  assert compute(x, x)['coverage'].value == 1
  with pytest.raises(UserError, match=r'^real: 11 images; at least 12 are needed$'):
    compute(x[1:], x)
  with pytest.raises(UserError, match=r'^generated: 11 images; at least 12 are needed$'):
    compute(x, x[1:])
