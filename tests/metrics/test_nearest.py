import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UserError
from gan_jax.metrics import nearest
from gan_jax.metrics.features import Features


def draw(rng, count, scale=1.0):
  return Features((scale * rng.normal(size=(count, 4))).astype(np.float32))


def test_unseen_images_are_as_far_away_as_unseen_images():
  rng = np.random.default_rng(0)
  found = nearest.compute(draw(rng, 500), draw(rng, 400), draw(rng, 300))['nearest_ratio']
  assert found.low < 1 < found.high


def test_copies_are_told():
  rng = np.random.default_rng(1)
  real, held_out = draw(rng, 500), draw(rng, 300)
  found = nearest.compute(real, Features(real.pooled[:200]), held_out)
  assert found['nearest_ratio'] == (0, 0, 0)
  assert found['authenticity'].value == 0
  blurred = Features(real.pooled[:200] + 1e-3 * draw(rng, 200).pooled)
  found = nearest.compute(real, blurred, held_out)
  assert found['nearest_ratio'].high < 0.02
  assert found['authenticity'].value < 0.02
  half = Features(np.concatenate([real.pooled[:150], draw(rng, 150, 3).pooled]))
  assert 0.3 < nearest.compute(real, half, held_out)['authenticity'].value < 0.6


def test_images_far_away_are_authentic():
  rng = np.random.default_rng(2)
  fake = Features(draw(rng, 200).pooled + 50)
  found = nearest.compute(draw(rng, 500), fake, draw(rng, 300))
  assert found['nearest_ratio'].low > 10
  assert found['authenticity'].value == 1


def test_authenticity_is_its_definition_in_a_small_case():
  real = Features(np.array([[0.0], [1.0], [10.0], [14.0]], np.float32))
  fake = Features(np.array([[0.5], [-0.9], [-1.5], [12.5], [20.0]], np.float32))
  held_out = Features(np.array([[2.0], [3.0]], np.float32))
  rows, apart = nearest.nearest_real(real, fake)
  np.testing.assert_array_equal(rows, [0, 0, 0, 3, 3])
  np.testing.assert_allclose(apart, [0.5, 0.9, 1.5, 1.5, 6.0])
  found = nearest.compute(real, fake, held_out)
  assert found['authenticity'].value == pytest.approx(2 / 5)  # -1.5 and 20
  assert found['nearest_ratio'].value == pytest.approx(1.5 / 1.5)


def test_held_out_images_that_are_copies_are_refused():
  rng = np.random.default_rng(3)
  real = draw(rng, 50)
  held_out = Features(np.concatenate([real.pooled[:30], draw(rng, 20).pooled]))
  with pytest.raises(UserError, match=r'^held out: 30 of 50 images are copies of training'):
    nearest.compute(real, draw(rng, 40), held_out)


def test_the_floor_is_1_without_an_interval():
  rng = np.random.default_rng(6)
  real, held_out = draw(rng, 50), draw(rng, 40)
  assert nearest.compute(real, held_out, held_out)['nearest_ratio'] == (1, 1, 1)


def test_an_image_as_far_as_the_spacing_is_not_authentic():
  real = Features(np.array([[0.0], [1.0], [10.0], [14.0]], np.float32))
  fake = Features(np.array([[-1.0], [2.0]], np.float32))
  held_out = Features(real.pooled[:2] + 0.5)
  assert nearest.compute(real, fake, held_out)['authenticity'].value == 0


def test_where_nearly_half_of_the_held_out_images_are_copies_the_upper_end_is_infinite():
  rng = np.random.default_rng(7)
  real = draw(rng, 200)
  held_out = Features(np.concatenate([real.pooled[:48], draw(rng, 52).pooled]))
  found = nearest.compute(real, draw(rng, 100), held_out)['nearest_ratio']
  assert 0 < found.low < found.value < found.high == np.inf
  copies = Features(np.concatenate([real.pooled[:48], draw(rng, 52).pooled]))
  found = nearest.compute(real, copies, held_out)['nearest_ratio']
  assert (found.low, found.high) == (0, np.inf)


@pytest.mark.parametrize('copied', [0.3, 0.45])
def test_the_interval_holds_the_truth_where_some_held_out_images_are_copies(coverage, copied):
  rng = np.random.default_rng(8)
  real = draw(rng, 200)

  def some(rng, count):
    images = draw(rng, count).pooled
    copies = rng.random(count) < copied
    images[copies] = real.pooled[rng.integers(200, size=copies.sum())]
    return Features(images)

  truth = nearest.compute(real, draw(rng, 30_000), some(rng, 30_000))['nearest_ratio'].value

  def once(rng):
    held_out = some(rng, 150)
    while np.mean(nearest.nearest_real(real, held_out)[1] == 0) >= 0.5:  # would be refused
      held_out = some(rng, 150)
    return nearest.compute(real, draw(rng, 150), held_out)['nearest_ratio']

  assert 0.93 <= coverage(once, truth, 200) <= 0.99


def test_the_interval_of_medians_is_scipys_bootstrap():
  rng = np.random.default_rng(4)
  x, y = rng.gamma(4, size=301), rng.gamma(4, size=201)
  ratio = lambda a, b, axis: np.median(a, axis=axis) / np.median(b, axis=axis)
  expected = stats.bootstrap((x, y), ratio, n_resamples=5000, method='percentile', rng=0)
  low, high = expected.confidence_interval
  assert nearest._ratio_of_medians(x, y) == pytest.approx((ratio(x, y, 0), low, high), rel=0.02)


@pytest.mark.parametrize('name', ['nearest_ratio', 'authenticity'])
def test_the_interval_holds_the_truth_of_the_training_images_at_hand(coverage, name):
  rng = np.random.default_rng(5)
  real = draw(rng, 400)
  truth = nearest.compute(real, draw(rng, 100_000, 1.2), draw(rng, 100_000))[name].value
  once = lambda rng: nearest.compute(real, draw(rng, 200, 1.2), draw(rng, 150))[name]
  assert 0.93 <= coverage(once, truth) <= 0.98  # a median is not a mean: somewhat too wide
