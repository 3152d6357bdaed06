"""The best, middle and worst tenth of images."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.evaluation import sheets
from gan_jax.sampling import grid


def test_tenths_are_ordered_by_the_fifth_nearest_real_feature(tmp_path):
  rng = np.random.default_rng(0)
  real, away = rng.normal(size=(60, 3)), np.linspace(0, 9, 200)
  directions = rng.normal(size=(200, 3))
  directions /= np.linalg.norm(directions, axis=1, keepdims=True)
  generated = directions * away[:, None]
  images = np.arange(200, dtype=np.uint8)[:, None, None, None] * np.ones((16, 16, 1), np.uint8)
  found = {each.name: each for each in sheets.tenths(images, generated, real, seed=3)}
  fifth = np.sort(np.linalg.norm(generated[:, None] - real, axis=-1), axis=1)[:, 4]
  order = np.argsort(fifth)
  for name, places in (('best', order[:20]), ('median', order[90:110]), ('worst', order[-20:])):
    assert set(found[name].images[:, 0, 0, 0]) == set(places)
    assert found[name].distances == pytest.approx((fifth[places[0]], fifth[places[-1]]), rel=1e-5)
  again = sheets.tenths(images, generated, real, seed=3)
  np.testing.assert_array_equal(again[0].images, found['best'].images)
  sheets.write(again, str(tmp_path))
  with Image.open(tmp_path / 'worst.png') as picture:  # small images are enlarged, not blurred
    pixels = np.asarray(picture)
  assert pixels.shape == (2 * 48, 10 * 48)
  np.testing.assert_array_equal(pixels[::3, ::3][:16, :16], found['worst'].images[0, :, :, 0])


def test_few_images_have_tenths_of_one_and_few_reals_take_the_farthest():
  images = np.zeros((3, 64, 64, 4), np.uint8)
  features = np.array([[0.0], [1.0], [5.0]])
  found = sheets.tenths(images, features, np.array([[0.0], [2.0]]), seed=0)
  assert [(each.name, each.distances[0], len(each.images)) for each in found] == [
    ('best', 1, 1),
    ('median', 2, 1),
    ('worst', 5, 1),
  ]


@pytest.mark.parametrize(('channels', 'dtype'), [(3, np.uint8), (4, np.uint8), (1, np.uint16)])
def test_of_large_images_those_of_each_tenth_are_whole_beside_its_picture(
  tmp_path, monkeypatch, channels, dtype
):
  monkeypatch.setattr(grid, '_MOST_SIDE', 480)
  monkeypatch.setattr(grid, '_LEAST_CELL', 32)
  top = np.iinfo(dtype).max
  images = np.random.default_rng(0).integers(0, top, (200, 64, 64, channels), dtype)
  parts = sheets.tenths(images, np.arange(200.0)[:, None], np.zeros((9, 1)), seed=0)
  sheets.write(parts, str(tmp_path))
  for part in parts:
    with Image.open(tmp_path / f'{part.name}.png') as picture:
      assert picture.size == (480, 96)
    files = sorted((tmp_path / part.name).iterdir())
    assert len(files) == len(part.images) == 20
    with Image.open(files[3]) as picture:
      found = np.asarray(picture).reshape(64, 64, channels)
      np.testing.assert_array_equal(found, part.images[3])
