"""What a run says of itself when it starts."""

import types

import numpy as np
import pytest

from configs import default
from gan_jax import build


class Images:
  def __init__(self, name, count, classes):
    self.name, self._count, self.num_classes = name, count, classes
    self.shape = (16, 24, 3)
    self.class_names = [f'class {number}' for number in range(classes)]

  def __len__(self):
    return self._count

  def labels(self, rows):
    return np.asarray(rows) % 2  # of two classes, whatever there are


def lines(classes, conditional):
  config = default.get_config()
  config.train.batch_size, config.model.conditional = 32, conditional
  player = lambda *shapes: types.SimpleNamespace(params=[np.zeros((8, *shape)) for shape in shapes])
  state = types.SimpleNamespace(generator=player((2, 3), (1000,)), discriminator=player((4,)))
  datasets = build.Datasets(Images('a train', 5000, classes), Images('a test', 40, classes))
  return list(build.summary(config, datasets, state))


@pytest.mark.parametrize('classes', [0, 9])
def test_it_names_data_networks_and_devices(classes):
  data, networks, devices, *_ = lines(classes, False)
  named = ', 9 classes' if classes else ''
  assert data == f'data      a train: 5,000 images of 24x16x3{named}; 40 held out'
  assert networks == 'networks  dcgan: generator 1,006 weights, discriminator 4 weights'
  assert devices == 'devices   8 x cpu (cpu), 4 images of a batch on each'


def test_classes_without_images_are_told_of_where_they_are_asked_for():
  assert len(lines(9, False)) == len(lines(2, True)) == 3
  warning = lines(9, True)[-1]
  assert warning.startswith('! no training image is of class class 2, class 3,')
  assert 'class 6 and 2 more: what' in warning
  assert ' more' not in lines(7, True)[-1]
