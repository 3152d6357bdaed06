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

  def draw(self, variables, labels, seed):
    del variables, seed
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
