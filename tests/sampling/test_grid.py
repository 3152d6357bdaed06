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
  # A class without images stays black, and in its place.
  some = grid.reals(digits, np.array([3, 11, 3, 11]), 4)
  assert not some[[1, 3]].any()
  np.testing.assert_array_equal(some[[0, 2]], grid.reals(digits, np.array([3, 3]), 2))
  first = grid.reals(digits, None, 3)
  np.testing.assert_array_equal(first, everything['image'][:3])


@pytest.mark.parametrize(
  ('size', 'count', 'columns', 'expected'),
  [
    ((64, 64), 100, 10, (64, 64)),
    ((256, 256), 2500, 50, (256, 256)),  # of images of this size none is scaled
    ((1024, 1024), 16, 4, (1024, 1024)),
    ((1024, 1024), 100, 10, (409, 409)),
    ((1024, 1024), 400, 20, (256, 256)),
    ((1024, 2048), 4, 4, (512, 1024)),
  ],
)
def test_images_of_a_grid_are_scaled_to_a_side_that_can_be_shown(size, count, columns, expected):
  assert grid.cell(size, count, columns) == expected


@pytest.mark.parametrize(('dtype', 'channels'), [(np.uint8, 3), (np.uint8, 4), (np.uint16, 1)])
def test_large_images_are_smaller_in_a_grid_and_whole_beside_it(
  dtype, channels, tmp_path, monkeypatch
):
  monkeypatch.setattr(grid, '_MOST_SIDE', 48)
  monkeypatch.setattr(grid, '_LEAST_CELL', 8)
  images = np.zeros((6, 32, 32, channels), dtype)
  levels = np.arange(1, 7) * (np.iinfo(dtype).max // 8)
  images[:] = levels[:, None, None, None]
  images[..., 3:] = 255
  picture = grid.save_grid(str(tmp_path / 'all.png'), images, 3, [0, 4])
  assert picture.shape[:2] == (32, 48)
  shown = picture.reshape(2, 16, 3, 16, -1).mean(axis=(1, 3, 4)).ravel()
  np.testing.assert_array_equal(shown, levels >> 8 if dtype == np.uint16 else levels)
  assert sorted(file.name for file in (tmp_path / 'all').iterdir()) == ['000.png', '004.png']
  with Image.open(tmp_path / 'all' / '004.png') as saved:
    np.testing.assert_array_equal(np.asarray(saved).reshape(32, 32, channels), images[4])


def test_beside_a_grid_of_small_images_there_is_nothing(tmp_path):
  grid.save_grid(str(tmp_path / 'all.png'), np.zeros((4, 16, 16, 3), np.uint8), 2, [0, 2])
  assert [file.name for file in tmp_path.iterdir()] == ['all.png']
