import numpy as np
import pytest

from gan_jax.metrics import inception_score
from gan_jax.metrics.features import Features

REAL = Features(np.zeros((2, 2)))


def compute(logits):
  return inception_score.compute(REAL, Features(np.zeros((len(logits), 2)), logits))


@pytest.mark.parametrize('splits', [1, 10])
def test_it_is_torch_fidelitys(oracles, splits):
  found = inception_score.inception_score(oracles['logits'](), splits)
  assert found == pytest.approx(oracles['answers'][f'inception_score_{splits}'], rel=1e-9)


def test_sure_and_even_logits_give_the_number_of_classes_and_unsure_ones_1():
  sure = 1e4 * np.eye(7)[np.arange(70) % 7]
  assert compute(sure)['inception_score'] == pytest.approx((7, 7, 7))
  assert compute(np.ones((70, 7)))['inception_score'] == pytest.approx((1, 1, 1))
  assert compute(sure[::7])['inception_score'].value == pytest.approx(1)


def test_the_interval_stays_within_1_and_the_number_of_classes():
  few = 1e4 * np.eye(2)[[0, 0, 0, 0, 1]]
  found = compute(few)['inception_score']
  assert 1 == found.low < found.value < found.high <= 2
  found = compute(1e4 * np.eye(2)[[0, 0, 1]])['inception_score']
  assert 1 <= found.low < found.value < found.high == 2


def test_a_constant_in_an_images_logits_changes_nothing():
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(50, 4))
  shifted = logits + 800 * rng.normal(size=(50, 1))
  assert compute(shifted)['inception_score'] == pytest.approx(compute(logits)['inception_score'])


def test_the_interval_holds_the_truth_as_often_as_it_says(coverage):
  draw = lambda rng, count: 3 * rng.normal(size=(count, 4)) + np.arange(4)
  truth = inception_score.inception_score(draw(np.random.default_rng(9), 1_000_000))
  once = lambda rng: compute(draw(rng, 1000))['inception_score']
  assert 0.93 <= coverage(once, truth) <= 0.97
