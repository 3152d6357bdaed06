"""R3GAN on faces at 64 pixels (FFHQ) (Huang et al. 2025, arXiv:2501.05441), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_ffhq64.py
Published: in the tables of the paper. Not trained here.
Hardware: 8 GPUs for days.
"""

from ml_collections import ConfigDict

from configs.published import r3gan_cifar10


def get_config() -> ConfigDict:
  config = r3gan_cifar10.r3gan(64, (768, 768, 768, 768, 384), gamma=2.0, batch_size=256)
  config.dataset.name = 'my_faces'  # of launch.py prepare: FFHQ at this size
  config.r3gan.bfloat16_stages = 4
  config.augment.strength_final = 0.3
  config.train.images = 150_000_000
  return config
