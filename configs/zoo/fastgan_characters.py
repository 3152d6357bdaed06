"""FastGAN with its own discriminator on game characters of 64 pixels: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/fastgan_characters.py
"""

from ml_collections import ConfigDict

from configs.published import fastgan_256


def get_config() -> ConfigDict:
  config = fastgan_256.get_config()
  config.dataset.name = 'characters'
  config.dataset.resolution = 64
  config.fastgan.width = 16
  config.anneal_images = 20_000  # about what a core shows in the time
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 1e-3  # the published 2e-4 is for fifty times as many updates
    optimizer.learning_rate_final = 2e-4
  config.ema.half_life_images = 1_000.0
  config.train.seconds = 300.0
  config.train.images = 1_000_000
  config.train.log_images = 1_000
  config.train.sample_images = 10_000
  config.train.checkpoint_images = 10_000
  config.evaluate.images = 1_000_000
  config.evaluate.features = ('efficientnet_lite2',)
  config.checkpoint.best_score = 'kid_efficientnet_lite2'
  return config
