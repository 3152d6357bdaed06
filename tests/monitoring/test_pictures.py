"""Grids of a run, of large images with some whole beside them."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.source import RandomImages
from gan_jax.monitoring.pictures import Pictures
from gan_jax.sampling import grid


class Drawn:
  """A sampler of given images."""

  def __init__(self, images):
    self._images = images
    self.labels = None

  def draw(self, variables, labels, seed):
    del variables, seed
    self.labels = labels
    yield self._images[: len(labels)]


def read(path):
  with Image.open(path) as image:
    return np.asarray(image)


@pytest.mark.parametrize('is_large', [False, True])
def test_the_first_image_of_each_row_is_whole_where_the_grid_scales_it(
  is_large, tmp_path, monkeypatch
):
  if is_large:
    monkeypatch.setattr(grid, '_MOST_SIDE', 24)
    monkeypatch.setattr(grid, '_LEAST_CELL', 4)
  data = RandomImages('train', (16, 16), 6)
  reals = data.fetch(range(6))['image']
  own = Pictures(str(tmp_path), data, Drawn(255 - reals), (2, 3), 0, False, lambda images: None)
  picture = own.draw(64, None)
  assert own.has(64)
  samples = tmp_path / 'samples'
  np.testing.assert_array_equal(read(samples / '000000000064.png'), picture)
  assert picture.shape == ((16, 24, 3) if is_large else (32, 48, 3))
  folders = {path.name: path for path in samples.iterdir() if path.is_dir()}
  assert sorted(folders) == (['000000000064', 'reals'] if is_large else [])
  for name, folder in folders.items():
    images = reals if name == 'reals' else 255 - reals
    assert sorted(path.name for path in folder.iterdir()) == ['000.png', '003.png']
    np.testing.assert_array_equal(read(folder / '003.png'), images[3])


@pytest.mark.parametrize('conditional', [True, False])
def test_rows_are_of_a_class_each_only_where_the_model_is_given_classes(conditional, tmp_path):
  data = RandomImages('train', (16, 16), 12)
  reals = data.fetch(range(12))['image']
  data.num_classes, data._held = 2, (reals, np.arange(12, dtype=np.int32) % 2)
  own = Drawn(reals)
  Pictures(str(tmp_path), data, own, (2, 3), 0, conditional, lambda images: None).draw(0, None)
  assert own.labels.tolist() == ([0, 0, 0, 1, 1, 1] if conditional else [0] * 6)
  rows = [0, 2, 4, 1, 3, 5] if conditional else range(6)
  tiles = read(tmp_path / 'samples' / 'reals.png').reshape(2, 16, 3, 16, 3).swapaxes(1, 2)
  np.testing.assert_array_equal(tiles.reshape(6, 16, 16, 3), reals[rows])
