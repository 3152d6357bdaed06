import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.metrics import (
  density_coverage,
  fd,
  fd_infinity,
  fd_per_class,
  kid,
  mmd,
  nearest,
  precision_recall,
)  # fmt: skip
from gan_jax.metrics.features import Features, check, check_labels, check_logits, some_rows

FROM_FEATURES = [density_coverage, fd, fd_infinity, fd_per_class, kid, mmd, nearest]
FROM_FEATURES.append(precision_recall)


def draw(count, features=4):
  x = np.random.default_rng(count).normal(size=(count, features)).astype(np.float32)
  return Features(x, None, np.arange(count) % 2)


def compute(module, real, fake):
  return module.compute(real, fake, draw(40)) if module is nearest else module.compute(real, fake)


@pytest.mark.parametrize('module', FROM_FEATURES)
def test_every_score_says_how_many_images_are_not_finite(module):
  bad = draw(60)
  bad.pooled[[3, 5], 1] = np.nan
  bad.pooled[7, 0] = np.inf
  with pytest.raises(UserError, match=r'^generated: 3 of 60 images have features that are NaN'):
    compute(module, draw(50), bad)
  with pytest.raises(UserError, match=r'^real: 3 of 60 images'):
    compute(module, bad, draw(50))


@pytest.mark.parametrize('module', FROM_FEATURES)
def test_every_score_refuses_one_image(module):
  with pytest.raises(UserError, match=r'^generated: 1 images; at least \d+ are needed$'):
    compute(module, draw(50), draw(1))
  with pytest.raises(UserError, match=r'^real: 0 images; at least \d+ are needed$'):
    compute(module, draw(0), draw(50))


@pytest.mark.parametrize('module', FROM_FEATURES)
def test_every_score_refuses_features_of_two_networks(module):
  with pytest.raises(UserError, match='generated: 5 features an image, but 4 of real'):
    compute(module, draw(50), draw(50, 5))


@pytest.mark.parametrize('module', FROM_FEATURES)
def test_every_score_holds_its_value_in_its_interval_and_repeats_itself(module):
  real, fake = draw(50), draw(44)
  found = compute(module, real, fake)
  assert set(module.SCORES) <= set(found)
  for name, (value, low, high) in found.items():
    assert low <= value <= high, name
    assert low < high, name
  assert compute(module, real, fake) == found


@pytest.mark.parametrize('module', [density_coverage, fd, mmd, nearest, precision_recall])
def test_the_order_of_images_does_not_matter(module):
  real, fake, rng = draw(50), draw(44), np.random.default_rng(0)
  shuffled = [Features(rng.permutation(x.pooled)) for x in (real, fake)]
  before, after = compute(module, real, fake), compute(module, *shuffled)
  for name, estimate in before.items():
    assert after[name].value == pytest.approx(estimate.value, rel=1e-5)


def test_held_out_images_are_checked_as_well():
  bad = draw(9)
  bad.pooled[0] = np.nan
  with pytest.raises(UserError, match=r'^held out: 1 of 9 images'):
    check(draw(5), draw(5), bad)


def test_missing_logits_and_labels_are_said():
  with pytest.raises(UserError, match='no logits'):
    check_logits(draw(5))
  with pytest.raises(UserError, match='generated: 1 of 5 images have logits'):
    check_logits(Features(draw(5).pooled, np.array([[1.0], [0], [0], [0], [np.nan]])))
  with pytest.raises(UserError, match='real: no labels'):
    check_labels('real', Features(draw(5).pooled))


def test_some_rows_are_different_rows_of_the_set():
  x = np.arange(50)
  rows = some_rows(x, 20)
  assert len(set(rows)) == 20
  assert some_rows(x, 50) is x
