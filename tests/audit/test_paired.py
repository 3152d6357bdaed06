import numpy as np
import pytest
from scipy import stats

from gan_jax.audit import paired


def trained(rng, seeds, images, ease, of_seeds):
  """Hits of classifiers that differ by their seeds alone."""
  noise = rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, 1, (seeds, images))
  return ease + noise > 0


def covered(repeats, seeds, images, of_seeds, seed=0):
  rng = np.random.default_rng(seed)
  inside = 0
  for _ in range(repeats):
    ease = rng.normal(1, 1.5, images)
    one, other = (trained(rng, seeds, images, ease, of_seeds) for _ in range(2))
    found, p = paired.difference(one, other, np.full(images, 1 / images), np.zeros(images))
    inside += found.low <= 0 <= found.high
    assert (p > 0.05) == (found.low <= 0 <= found.high)
  return inside / repeats


def test_where_images_do_not_differ_it_is_students_paired_interval():
  rng = np.random.default_rng(0)
  one, other = (np.repeat(rng.normal(size=(6, 1)), 40, axis=1) for _ in range(2))
  found, p = paired.difference(one, other, np.full(40, 1 / 40), np.zeros(40))
  test = stats.ttest_rel(one[:, 0], other[:, 0])
  assert found[1:] == pytest.approx(tuple(test.confidence_interval(0.95)))
  assert p == pytest.approx(test.pvalue)


def test_where_seeds_do_not_differ_held_out_images_count_all_the_same():
  one = np.zeros((5, 100))
  one[:, :20] = 1  # the same 20 of 100 images by every seed
  found, _ = paired.difference(one, np.zeros((5, 100)), np.full(100, 0.01), np.zeros(100))
  error = np.sqrt(0.2 * 0.8 / 99)
  assert found.value == pytest.approx(0.2)
  assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.02)


def test_the_interval_covers_where_nothing_was_done():
  assert covered(150, 5, 100, 0.3) >= 0.90


@pytest.mark.slow
@pytest.mark.parametrize('seeds', [3, 5, 10])
@pytest.mark.parametrize('of_seeds', [0.0, 0.3])
def test_the_interval_covers_93_of_100_where_nothing_was_done(seeds, of_seeds):
  assert 0.93 <= covered(2000, seeds, 200, of_seeds) <= 0.99
