"""StyleGAN2-ADA's recipe for CIFAR-10 on 5,000 handwritten digits, for one GPU and half a day.

Command: .venv/bin/python launch.py train --config=configs/day/digits.py
Not trained here. ADA is what so few images need; digits are neither mirrored nor turned.
"""

from ml_collections import ConfigDict

from configs.day import fashion


def get_config() -> ConfigDict:
  config = fashion.small_images()
  config.dataset.name = 'digits'
  config.ada.xflip = config.ada.rotate90 = config.ada.rotate = 0.0  # a turned 6 is a 9
  config.train.images = 10_000_000
  return config
