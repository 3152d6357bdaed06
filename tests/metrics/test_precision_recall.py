import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.metrics import precision_recall
from gan_jax.metrics.features import Features


def compute(real, fake):
  return precision_recall.compute(Features(np.asarray(real)), Features(np.asarray(fake)))


def draw(rng, count, scale=1.0):
  return (scale * rng.normal(size=(count, 4))).astype(np.float32)


def test_they_are_prdcs(oracles):
  for (real, fake), answers in oracles['cases'].values():
    for name, found in compute(real, fake).items():
      assert found.value == pytest.approx(answers['prdc_3'][name], abs=1e-12)


def test_equal_sets_have_all_and_sets_far_apart_nothing():
  x = draw(np.random.default_rng(0), 100)
  assert [e.value for e in compute(x, x).values()] == [1, 1]
  for found in compute(x, x + 100).values():
    assert found.value == found.low == 0
    assert 0 < found.high < 0.1


def test_swapping_the_sets_swaps_the_scores():
  rng = np.random.default_rng(1)
  x, y = draw(rng, 100), draw(rng, 90, 1.5)
  there, back = compute(x, y), compute(y, x)
  assert there['precision'] == back['recall']
  assert there['recall'] == back['precision']


def test_a_mode_lost_costs_recall_and_strays_cost_precision():
  rng = np.random.default_rng(2)
  real = np.concatenate([draw(rng, 100), draw(rng, 100) + 20])
  lost, strays = draw(rng, 200), np.concatenate([draw(rng, 100), draw(rng, 100) - 20])
  found = compute(real, lost)
  assert found['precision'].value > 0.85
  assert found['recall'].value < 0.5
  assert compute(real, strays)['precision'].value < 0.5


def test_fewer_images_than_two_halves_with_three_neighbours_each_are_refused():
  x = draw(np.random.default_rng(4), 8)
  assert [e.value for e in compute(x, x).values()] == [1, 1]
  with pytest.raises(UserError, match=r'^real: 7 images; at least 8 are needed$'):
    compute(x[1:], x)
  with pytest.raises(UserError, match=r'^generated: 7 images; at least 8 are needed$'):
    compute(x, x[1:])


@pytest.mark.parametrize('name', ['precision', 'recall'])
def test_the_interval_holds_the_mean_of_other_images(coverage, name):
  once = lambda rng: compute(draw(rng, 150), draw(rng, 120, 1.4))[name]
  assert 0.92 <= coverage(once, count=150) <= 0.99
