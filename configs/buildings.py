"""DCGAN on façades and surfaces of buildings, 64×64 RGB.

Command: launch.py train --config=configs/buildings.py
Larger: --config.dataset.resolution=256, on an accelerator.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.get_config()
  config.dataset.name = 'buildings'
  config.model.conditional = False
  config.sample.rows = 10
  config.train.images = 50_000
  config.train.sample_images = 10_000
  config.train.checkpoint_images = 25_000
  config.evaluate.images = 25_000
  return config
