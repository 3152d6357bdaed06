"""Class-conditional FastGAN against fixed features on emoji, 64×64 with transparency, by category.

Command: .venv/bin/python launch.py train --config=configs/emoji.py
Time: about half an hour on one core of an AMD EPYC (AVX2). Not scored yet: the table in
  configs/README.md is of the DCGAN that stood here before.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.sprites()
  config.dataset.name = 'emoji'
  config.diffaugment.policy = 'translation,cutout'  # with colours as well, few of them are made
  config.train.images = config.anneal_images = 26_000
  return config
