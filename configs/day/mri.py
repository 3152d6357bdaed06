"""StyleGAN2-ADA on MRI slices of one head by plane, 128×128 grey of 16 bits, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/mri.py
Not trained here. One person has no variety: what this draws says nothing about other people. See
gan_jax/data/datasets/mri.py for what it cannot be used for.
"""

from ml_collections import ConfigDict

from configs.day import characters


def get_config() -> ConfigDict:
  config = characters.sprites(128, 32)
  config.dataset.name = 'mri'
  config.dataset.flip = False  # left and right of a head are not the same
  config.ada.xflip = config.ada.rotate90 = config.ada.rotate = config.ada.lumaflip = 0.0
  config.train.images = 5_000_000
  return config
