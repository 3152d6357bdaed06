import numpy as np
import pytest

from gan_jax.metrics import aligned


@pytest.fixture
def images():
  return np.random.default_rng(0).uniform(0, 200, (6, 12, 9, 3))


@pytest.mark.parametrize(
  'change',
  [
    lambda x: np.roll(x, (3, -2), (1, 2)),
    lambda x: x[:, :, ::-1],
    lambda x: 0.4 * x + 30,
    lambda x: np.roll(0.7 * x[:, :, ::-1] + 5, (1, 4), (1, 2)),
  ],
  ids=['shifted', 'mirrored', 'dimmed', 'all'],
)
def test_a_changed_image_is_at_no_distance_of_itself(images, change):
  own, changed = aligned.normalised(images), aligned.normalised(change(images))
  rows = np.tile(np.arange(6), (6, 1))
  found = aligned.distances(changed, own, rows)
  assert np.diag(found) == pytest.approx(0, abs=2e-3)
  assert np.all(found[~np.eye(6, dtype=bool)] > 0.5)
  assert aligned.spectra(changed) == pytest.approx(aligned.spectra(own), abs=1e-4)


def test_the_distance_is_the_least_over_all_shifts_and_both_sides(images):
  x, y = aligned.normalised(images[:1]), aligned.normalised(images[1:2])
  each = [
    np.linalg.norm(np.roll(side, (down, right), (1, 2)) - y)
    for side in (x, x[:, :, ::-1])
    for down in range(12)
    for right in range(9)
  ]
  assert aligned.distances(x, y, np.zeros((1, 1), int)) == pytest.approx(min(each), abs=1e-4)


def test_many_images_are_as_far_as_each_alone(images, monkeypatch):
  x, rows = aligned.normalised(images), np.tile(np.arange(5, -1, -1), (6, 1))
  together = aligned.distances(x, x, rows)
  monkeypatch.setattr(aligned, '_AT_ONCE', 1)  # a block an image
  np.testing.assert_allclose(aligned.distances(x, x, rows), together, atol=1e-6)
  np.testing.assert_allclose(together[:, ::-1], together[:, ::-1].T, atol=2e-3)  # either way


def test_images_of_one_colour_are_like_nothing():
  flat = aligned.normalised(np.full((2, 4, 4, 1), 255, np.uint8))
  assert np.all(flat == 0)
  assert aligned.distances(flat, flat, np.zeros((2, 1), int)) == pytest.approx(np.sqrt(2))
