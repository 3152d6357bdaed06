import numpy as np
import pytest
from PIL import Image

from gan_jax.sampling import grid


def test_a_grid_is_read_row_by_row():
  images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 3, 1), np.uint8)
  picture = grid.grid(images, 3)
  assert picture.shape == (4, 9, 1)
  np.testing.assert_array_equal(picture[::2, ::3, 0], [[0, 1, 2], [3, 4, 0]])


def test_a_grid_shows_transparency_over_a_checkerboard():
  images = np.zeros((2, 16, 16, 4), np.uint8)
  images[0, ..., 0] = images[0, ..., 3] = 255  # opaque red; the other is fully transparent
  picture = grid.grid(images, 2)
  assert picture.shape == (16, 32, 3)
  np.testing.assert_array_equal(picture[:, :16], np.broadcast_to([255, 0, 0], (16, 16, 3)))
  values, counts = np.unique(picture[:, 16:], return_counts=True)
  assert len(values) == 2
  assert counts[0] == counts[1]


def test_a_grid_shows_the_upper_half_of_sixteen_bits():
  images = np.array([0, 255, 256, 65535], np.uint16).reshape(4, 1, 1, 1)
  np.testing.assert_array_equal(grid.grid(images, 4)[0, :, 0], [0, 0, 1, 255])


@pytest.mark.parametrize(('dtype', 'channels'), [(np.uint8, 4), (np.uint16, 1)])
def test_a_saved_image_keeps_transparency_and_depth(dtype, channels, tmp_path):
  rng = np.random.default_rng(0)
  image = rng.integers(0, np.iinfo(dtype).max, (5, 6, channels), dtype, endpoint=True)
  grid.save_image(str(tmp_path / 'image.png'), image)
  with Image.open(tmp_path / 'image.png') as saved:
    np.testing.assert_array_equal(np.asarray(saved).reshape(image.shape), image)


def test_labels_of_a_grid_are_a_row_a_class():
  np.testing.assert_array_equal(grid.grid_labels(10, 3, 4), [0] * 4 + [1] * 4 + [2] * 4)
  np.testing.assert_array_equal(grid.grid_labels(2, 3, 4), [0] * 4 + [1] * 4)
  np.testing.assert_array_equal(grid.grid_labels(0, 3, 4), [0] * 12)


def test_real_images_of_a_grid_are_of_the_classes_asked_for(digits):
  labels = grid.grid_labels(10, 3, 4)
  images = grid.reals(digits, labels, len(labels))
  everything = digits.fetch(np.arange(len(digits)))
  for image, label in zip(images, labels, strict=True):
    rows = np.flatnonzero((everything['image'] == image).all(axis=(1, 2, 3)))
    assert label in everything['label'][rows]
  assert len(np.unique(images, axis=0)) == len(images)
  first = grid.reals(digits, None, 3)
  np.testing.assert_array_equal(first, everything['image'][:3])
