"""Class-conditional DCGAN on emoji, 64×64 with transparency, by category.

Command: launch.py train --config=configs/emoji.py
Time and score have not been measured.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.get_config()
  config.dataset.name = 'emoji'
  config.dataset.flip = False  # flags and letters read one way
  return config
