"""Class-conditional FastGAN against fixed features on emoji, 64×64 with transparency, by category.

Command: .venv/bin/python launch.py train --config=configs/emoji.py
Time: about 20 min on one core of an AMD EPYC (AVX2), 22 images/s.
Score: kid_efficientnet_lite0 0.0647 (untrained 0.392, held-out reals 0.0094), N = 1,000. Within a
  category all have much the same colours: not done.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.sprites()
  config.dataset.name = 'emoji'
  config.diffaugment.policy = 'translation,cutout'  # with colours as well, few of them are made
  config.train.images = config.anneal_images = 26_000
  return config
