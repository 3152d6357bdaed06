"""R3GAN on ImageNet at 32 pixels (Huang et al. 2025, arXiv:2501.05441), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_imagenet32.py
Published: FID 1.27 (50,000 samples). Not trained here.
Hardware: 32 GPUs for days; `train.accumulate` parts a batch of 4,096 where there are fewer.
"""

from ml_collections import ConfigDict

from configs.published import r3gan_cifar10


def imagenet(resolution: int, widths: tuple[int, ...], gamma: float) -> ConfigDict:
  """What both sizes have in common; see `r3gan_cifar10.r3gan`."""
  config = r3gan_cifar10.r3gan(resolution, widths, gamma, batch_size=4096)
  config.dataset.name = f'imagenet_resized/{resolution}x{resolution}'
  config.model.conditional = True
  config.dataset.holdout_split = 'validation'
  config.r3gan.group_size = 32
  config.ema.half_life_images_final = 50_000_000.0
  config.anneal_images = 200_000_000
  config.train.images = 1_000_000_000
  config.train.accumulate = 4
  return config


def get_config() -> ConfigDict:
  config = imagenet(32, (1536,) * 4, gamma=0.5)
  config.r3gan.bfloat16_stages = 3
  config.augment.strength_final = 0.5
  return config
