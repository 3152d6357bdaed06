"""Class-conditional FastGAN against fixed features on emoji, 64×64 with transparency, by category.

Command: .venv/bin/python launch.py train --config=configs/emoji.py
Time: that of configs/characters.py, about half an hour on one core of an AMD EPYC (AVX2).
Score: kid_efficientnet_lite0 0.0658 (untrained 0.378, held-out reals 0.0094), N = 1,000.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.sprites()
  config.dataset.name = 'emoji'
  # With batch normalisation in the heads all of a category get one palette; with colours among the
  # augmentations they run to their extremes.
  config.fastgan.styled = True
  config.projected.norm = 'none'
  config.projected.deviation_group = 16
  config.diffaugment.policy = 'translation,cutout'
  return config
