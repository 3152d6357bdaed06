"""R3GAN's recipe for 32 pixels on three digits in the channels of an image, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/stacked_digits.py
Not trained here. Published for Stacked MNIST (arXiv:2501.05441): 1,000 modes.
"""

from ml_collections import ConfigDict

from configs import stacked_digits
from configs.published import r3gan_cifar10


def get_config() -> ConfigDict:
  config = r3gan_cifar10.get_config()
  config.dataset.name = 'stacked_digits'
  config.dataset.flip = False
  config.model.conditional = False
  config.augment.names = ()  # there are as many images as combinations of digits
  config.train.images = 20_000_000
  stacked_digits.count_modes(config)
  return config
