import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.source import RandomImages
from gan_jax.errors import UserError
from gan_jax.evaluation.embedding import Embedder
from gan_jax.evaluation.reals import Reals
from gan_jax.features.network import FeatureNetwork

WATCH = lambda *_: None


def embedder(name='pixels_of_a_corner'):
  """A network whose features are the image's first two pixels, which tell images apart."""
  apply = lambda params, images: (images[:, 0, :2, 0].astype(jnp.float32) + params['zero'], None)
  return Embedder(FeatureNetwork(name, {'zero': np.float32(0)}, apply, {}), 16)


@pytest.fixture(scope='module')
def images():
  return RandomImages('train', (4, 4), 60)


@pytest.fixture(scope='module')
def others():
  return RandomImages('test', (4, 4), 30)


def corner(dataset, rows):
  return dataset.fetch(rows)['image'][:, 0, :2, 0].astype(np.float32)


def test_a_number_of_images_is_chosen_of_each_by_the_seed(images, others):
  choose = lambda seed: Reals(images, others, num_reals=40, num_samples=20, seed=seed)
  reals = choose(0)
  assert len(set(reals.rows)) == 40
  assert reals.num_held_out == 20
  np.testing.assert_array_equal(reals.rows, choose(0).rows)
  assert (reals.rows != choose(1).rows).any()
  found = reals.features(embedder(), WATCH)
  np.testing.assert_array_equal(found.compared.pooled, corner(images, reals.rows))
  assert found.rest is found.compared
  assert found.held_out.pooled.shape == (20, 2)
  learnt_from = reals.training_images(7)
  assert learnt_from.size == 7
  (pixels,) = learnt_from.batches(0, 0, 7)
  np.testing.assert_array_equal(pixels, images.fetch(reals.rows[:7])['image'])
  known = {tuple(row) for row in corner(others, np.arange(30))}
  assert {tuple(row) for row in found.held_out.pooled} <= known
  # A choice by the seed, not the first ones.
  again = [choose(seed).features(embedder(), WATCH).held_out.pooled for seed in (0, 1)]
  np.testing.assert_array_equal(found.held_out.pooled, again[0])
  assert (found.held_out.pooled != again[1]).any()
  assert (found.held_out.pooled != corner(others, np.arange(20))).any()
  assert (reals.rows != np.arange(40)).any()


@pytest.mark.parametrize(('num_reals', 'num_samples', 'aside'), [(60, 10, 10), (20, 60, 10)])
def test_a_part_is_held_out_of_what_was_chosen(images, num_reals, num_samples, aside):
  reals = Reals(images, None, num_reals=num_reals, num_samples=num_samples, seed=0)
  rest = num_reals - aside
  assert (len(reals.train), len(reals.holdout)) == (rest, aside)
  assert (reals.num_rest, reals.num_held_out, reals.are_apart) == (rest, aside, False)
  found = reals.features(embedder(), WATCH)
  assert len(found.compared.pooled) == num_reals
  rows = lambda array: {tuple(row) for row in array}
  assert rows(found.rest.pooled) | rows(found.held_out.pooled) == rows(found.compared.pooled)
  assert not rows(found.rest.pooled) & rows(found.held_out.pooled)
  trained_on = np.concatenate(list(reals.training_images(100).batches(0, 0, rest)))
  assert rows(trained_on[:, 0, :2, 0].astype(np.float32)) == rows(found.rest.pooled)
  tested_on, _ = reals.test_images
  assert rows(tested_on[:, 0, :2, 0].astype(np.float32)) == rows(found.held_out.pooled)


def test_of_one_image_nothing_can_be_held_out(images):
  with pytest.raises(UserError, match='random_images train: 1 image; accepted: at least 2'):
    Reals(images, None, num_reals=1, num_samples=5, seed=0)


def test_labels_asked_for_are_as_frequent_as_in_the_data(digits, held_out_digits):
  reals = Reals(digits, held_out_digits, num_reals=4000, num_samples=10, seed=0)
  np.testing.assert_array_equal(np.bincount(reals.labels(8000)), 800)


def test_features_are_computed_once_for_the_same_images_network_and_rows(images, others):
  runs = []

  def counted(name, dataset, num_reals, stamp=''):
    dataset.stamp = stamp
    one = embedder(name)
    call = one.__call__
    spied = type('Spied', (), {
      'network': one.network,
      '__call__': lambda self, batch: (runs.append(len(batch)), call(batch))[1],
    })()  # fmt: skip
    Reals(dataset, others, num_reals=num_reals, num_samples=30, seed=3).features(spied, WATCH)
    found, runs[:] = sum(runs), []
    return found

  assert counted('counted', images, 50) == 80
  assert counted('counted', images, 50) == 0
  assert counted('counted', images, 49) == 49  # other rows
  assert counted('counted_legacy', images, 50) == 80  # another network or resize
  assert counted('counted', RandomImages('other', (4, 4), 60), 50) == 50  # other images
  assert counted('counted', images, 50, stamp='written anew') == 50  # its files have changed
  images.stamp = ''


def test_real_images_that_are_all_the_same_are_refused(images, others):
  constant = RandomImages('constant', (4, 4), 20)
  constant._held[0][:] = 7
  constant.fingerprint = 'constant'
  reals = Reals(constant, others, num_reals=20, num_samples=20, seed=0)
  with pytest.raises(UserError, match='constant: all 20 images are one and the same'):
    reals.features(embedder(), WATCH)
