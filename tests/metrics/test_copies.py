import numpy as np
import pytest

from gan_jax.metrics import conformal, copies


def test_closeness_is_of_the_nearest_to_the_next_ones():
  training = np.concatenate([[[0.0]], np.arange(10, 40)[:, None]])
  found = copies.near(np.array([[1.0], [20.5]]), training)
  assert found.rows[0] == 0
  assert found.rows[1] in (11, 12)
  assert found.distances == pytest.approx([1, 0.5])
  assert found.closeness == pytest.approx([1 / np.median(np.arange(9, 25)), 0.5 / 4.5])


def test_images_of_one_patient_count_once():
  """A patient's many images are no reason to think that a copy of one is like several."""
  rng = np.random.default_rng(0)
  centres = 10 * rng.normal(size=(30, 8))
  groups = np.repeat(np.arange(30), 25)
  training = centres[groups] + 0.1 * rng.normal(size=(750, 8))
  copy = training[[0]] + 0.01
  assert copies.near(copy, training, groups).closeness < 0.01
  assert copies.near(copy, training).closeness > 0.05
  others = np.median(
    np.sort([np.linalg.norm(training[groups == g] - copy, axis=1).min() for g in range(30)])[1:17]
  )
  found = copies.near(copy, training, groups)
  assert found.closeness == pytest.approx(found.distances / others, rel=1e-5)


def test_a_group_can_be_left_out_of_what_its_own_images_are_near_to():
  rng = np.random.default_rng(0)
  training, groups = rng.normal(size=(60, 4)), np.repeat(np.arange(20), 3)
  found = copies.near(training, training, groups, own=groups)
  assert np.all(groups[found.rows] != groups)
  apart = np.linalg.norm(training[:, None] - training[None], axis=2)
  apart[groups[:, None] == groups[None]] = np.inf
  assert found.distances == pytest.approx(apart.min(axis=1))


def test_a_copy_of_what_is_there_many_times_is_a_copy():
  assert copies.near(np.zeros((1, 3)), np.zeros((40, 3))).closeness == 0


def test_one_group_alone_gives_the_distance():
  found = copies.near(np.array([[3.0]]), np.array([[0.0], [1.0]]), np.array(['a', 'a']))
  assert found.closeness == found.distances == 2


def drawn(rng, count):
  """Images 16x16 of two blots at random."""
  y, x = np.indices((16, 16))
  places = rng.uniform(3, 13, (count, 2, 2))
  widths = rng.uniform(1, 3, (count, 2))
  far = (y - places[..., 0, None, None]) ** 2 + (x - places[..., 1, None, None]) ** 2
  return 255 * np.exp(-far / (2 * widths[..., None, None] ** 2)).max(axis=1)[..., None]


def suspicion(x, training):
  by_pixels = copies.near(x.reshape(len(x), -1), training.reshape(len(training), -1))
  return -np.stack([by_pixels.closeness, copies.near_aligned(x, training).closeness], axis=1)


def test_planted_copies_shifted_and_dimmed_are_found_and_others_at_the_stated_rate():
  rng = np.random.default_rng(0)
  training, unseen, fresh = drawn(rng, 600), drawn(rng, 300), drawn(rng, 1000)
  planted = rng.permutation(1000)[:10]  # 1 %
  of = rng.permutation(600)[:10]
  fresh[planted] = 0.8 * np.roll(training[of], (1, -1), (1, 2)) + 8
  fresh[planted[:3]] = fresh[planted[:3], :, ::-1]
  p = conformal.p_values(suspicion(fresh, training), suspicion(unseen, training))
  assert np.all(p[planted] <= 0.01)
  assert np.array_equal(copies.near_aligned(fresh[planted], training).rows, of)
  others = np.delete(p, planted)
  assert np.mean(others <= 0.01) < 0.03
  assert np.mean(others <= 0.1) == pytest.approx(0.1, abs=0.05)
