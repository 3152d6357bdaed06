"""R3GAN on ImageNet at 64 pixels (Huang et al. 2025, arXiv:2501.05441), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_imagenet64.py
Published: FID 2.09 (50,000 samples). Not trained here.
Hardware: 64 GPUs for days; `train.accumulate` parts a batch of 4,096 where there are fewer.
"""

from ml_collections import ConfigDict

from configs.published import r3gan_imagenet32


def get_config() -> ConfigDict:
  config = r3gan_imagenet32.imagenet(64, (1536,) * 5, gamma=1.0)
  config.r3gan.bfloat16_stages = 4
  config.augment.strength_final = 0.4
  return config
