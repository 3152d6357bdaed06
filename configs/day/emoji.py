"""StyleGAN2-ADA on emoji by category, 64×64 with transparency, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/emoji.py
Not trained here. Signs and letters are not mirrored.
"""

from ml_collections import ConfigDict

from configs.day import characters


def get_config() -> ConfigDict:
  config = characters.sprites(64, 32)
  config.dataset.name = 'emoji'
  config.dataset.flip = False
  config.ada.xflip = 0.0
  return config
