import numpy as np
import pytest
from scipy import linalg

from gan_jax.metrics import fd, fd_infinity
from gan_jax.metrics.features import Features


def gaussians(features, change):
  """Two Gaussians as (mean, mixing), and their distance."""
  rng = np.random.default_rng(0)
  scale = np.diag((1 + np.arange(features)) ** -0.4)
  step = np.eye(features) + change * rng.normal(size=(features,) * 2) / features**0.5
  other, shift = scale @ step, change / 2 * np.diag(scale) * rng.normal(size=features)
  c1, c2 = scale.T @ scale, other.T @ other
  truth = shift @ shift + np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real)
  return (np.zeros(features), scale), (shift, other), truth


def draw(rng, count, gaussian):
  mean, mixing = gaussian
  return Features((rng.normal(size=(count, len(mean))) @ mixing + mean).astype(np.float32))


@pytest.mark.parametrize('change', [0.0, 0.1, 0.5])
def test_it_is_nearer_to_the_truth_than_fd_at_every_number_of_images(change):
  first, second, truth = gaussians(32, change)
  rng = np.random.default_rng(1)
  for real, fake in [(20, 20), (40, 100), (64, 64), (150, 100), (400, 400), (1000, 800)]:
    apart = []
    for _ in range(10):
      x, y = draw(rng, real, first), draw(rng, fake, second)
      value = fd_infinity.compute(x, y)['fd_infinity'].value
      apart.append((value - truth, fd.distance(x.pooled, y.pooled) - truth))
    infinity, plain = np.sqrt(np.mean(np.square(apart), axis=0))
    assert infinity < plain, (real, fake)


@pytest.mark.parametrize('features', [16, 64, 128])
def test_the_interval_holds_the_distance_of_known_gaussians_at_10000_images(features):
  first, second, truth = gaussians(features, 0.5)
  rng = np.random.default_rng(2)
  x, y = draw(rng, 10_000, first), draw(rng, 10_000, second)
  found = fd_infinity.compute(x, y)['fd_infinity']
  assert found.low < truth < found.high
  assert found.high - found.low < 0.2 * truth
  if features == 128:
    assert fd.compute(x, y)['fd'].low > truth  # whose bias is wider than its interval


@pytest.mark.parametrize(
  ('change', 'counts'), [(0.5, (300, 200)), (0.5, (100, 400)), (0, (90, 90))]
)
def test_the_interval_holds_the_truth_as_often_as_it_says_or_more(coverage, change, counts):
  first, second, truth = gaussians(24, change)

  def once(rng):
    sets = draw(rng, counts[0], first), draw(rng, counts[1], second)
    return fd_infinity.compute(*sets)['fd_infinity']

  assert coverage(once, truth, count=200) >= 0.91


def test_with_fewer_than_twice_as_many_images_as_features_the_interval_says_so(coverage):
  first, second, truth = gaussians(64, 0.5)

  def once(rng):
    return fd_infinity.compute(draw(rng, 70, first), draw(rng, 300, second))['fd_infinity']

  assert coverage(once, truth, count=30) > 0.9


@pytest.mark.parametrize(
  ('counts', 'wider'), [((32, 40), False), ((40, 32), False), ((31, 40), True)]
)
def test_with_twice_as_many_images_as_features_the_interval_is_as_wide_as_that_of_fd(counts, wider):
  first, second, _ = gaussians(16, 0.5)
  rng = np.random.default_rng(3)
  sets = draw(rng, counts[0], first), draw(rng, counts[1], second)
  half = lambda module, name: np.ptp(module.compute(*sets)[name][::2])
  ratio = half(fd_infinity, 'fd_infinity') / half(fd, 'fd')
  assert ratio > 1.001 if wider else ratio == pytest.approx(1)
