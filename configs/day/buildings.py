"""Projected GAN on façades and surfaces of buildings, 256×256 RGB, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/buildings.py
Not trained here. After configs/published/projected_256.py: 986 images are few.
"""

from ml_collections import ConfigDict

from configs.published import projected_256


def get_config() -> ConfigDict:
  config = projected_256.get_config()
  config.dataset.name = 'buildings'
  config.train.images = 4_000_000
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  return config
