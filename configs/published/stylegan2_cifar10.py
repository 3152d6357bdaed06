"""StyleGAN2-ADA on CIFAR-10, `cifar` (arXiv:2006.06676), a preset of its code.

Command: .venv/bin/python launch.py train --config=configs/published/stylegan2_cifar10.py
Published: FID 2.42 (conditional, 50,000 samples, against the training images). Not trained here.
Hardware: 2 GPUs for days.
"""

from ml_collections import ConfigDict

from configs.published import stylegan2_auto


def get_config() -> ConfigDict:
  config = stylegan2_auto.stylegan2(32, 64, gamma=0.01, rate=0.0025)
  config.dataset.name = 'cifar10'
  config.model.conditional = True
  config.stylegan2.channel_base = 32768
  config.stylegan2.mapping_layers = 2
  config.stylegan2.style_mixing = 0.0
  config.stylegan2.discriminator_architecture = 'plain'
  config.stylegan2.deviation_group = 32
  config.regularisers = ('r1',)
  config.ema.half_life_images = 500_000.0
  config.train.images = 100_000_000
  return config
