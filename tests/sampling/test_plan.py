import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.sampling import plan
from tests.sampling import drawn


@pytest.fixture(scope='module')
def model():
  return drawn.model()


@pytest.mark.parametrize(
  ('text', 'seeds'),
  [('0-3,15', [0, 1, 2, 3, 15]), ('7', [7]), ('2, 1,1', [2, 1, 1]), ('4294967295', [2**32 - 1])],
)
def test_seeds_are_read_and_spelt(text, seeds):
  assert plan.read_seeds(text) == seeds
  assert plan.read_seeds(plan.spell_seeds(seeds)) == list(dict.fromkeys(seeds))


@pytest.mark.parametrize(
  'text', ['', '1,', '3-1', '-1', 'a', '1-2-3', '4294967296', '1.5', '0-1000000']
)
def test_seeds_that_mean_nothing_or_too_much_are_refused(text):
  with pytest.raises(UserError, match=f'--seeds={text}: .*accepted: '):
    plan.read_seeds(text)


def test_an_image_is_that_of_its_seed_place_and_class_in_every_plan(model):
  by_seed = lambda seed, n, label: model.images(model.latents(n, seed=seed), label)
  of_many = np.stack(list(plan.plan(model, [5, 2**32 - 1, 5], 1, [1, 2]).images()))
  np.testing.assert_array_equal(of_many[0], by_seed(5, 1, 1)[0])
  np.testing.assert_array_equal(of_many[1], by_seed(2**32 - 1, 1, 2)[0])
  np.testing.assert_array_equal(of_many[2], of_many[0])
  every = plan.plan(model, 5, 2, [2, 0, 2], every_class=True)
  np.testing.assert_array_equal(every.labels, [2, 2, 0, 0])
  images = np.stack(list(every.images()))
  np.testing.assert_array_equal(images[:2], by_seed(5, 2, 2))
  np.testing.assert_array_equal(images[2:], by_seed(5, 2, 0))


def test_a_count_below_one_is_refused(model):
  with pytest.raises(UserError, match='--count=0: must be at least 1'):
    plan.plan(model, 0, 0, [0])


def test_a_truncation_says_what_it_is_of(model):
  assert plan.truncation_text(model, 1.0) == '1'
  assert plan.truncation_text(model, 0.5) == '0.5 times the latent'
  styled = drawn.model('stylegan2')
  assert plan.truncation_text(styled, 0.5) == '0.5 of the way of w from its mean'
