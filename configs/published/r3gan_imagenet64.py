"""R3GAN on ImageNet at 64 pixels (Huang et al. 2025, arXiv:2501.05441), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_imagenet64.py
Published: FID 2.09 (50,000 samples). Not trained here.
Hardware: 64 GPUs for days; `train.accumulate` parts a batch of 4,096 where there are fewer.
"""

from ml_collections import ConfigDict

from configs.published import r3gan_cifar10


def get_config() -> ConfigDict:
  config = r3gan_cifar10.r3gan(64, (1536,) * 5, gamma=1.0, batch_size=4096)
  config.dataset.name = 'imagenet_resized/64x64'
  config.model.conditional = True
  config.dataset.holdout_split = 'validation'
  config.r3gan.group_size = 32
  config.r3gan.bfloat16_stages = 4
  config.augment.strength_final = 0.4
  config.ema.half_life_images_final = 50_000_000.0
  config.anneal_images = 200_000_000
  config.train.images = 1_000_000_000
  config.train.accumulate = 4
  return config
