"""Class-conditional DCGAN on game characters, 64×64 with transparency, by faction.

Command: launch.py train --config=configs/characters.py
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'characters'
  config.dataset.resolution = 64
  config.dataset.flip = True
  config.model.conditional = True
  config.model.latent_size = 64
  config.dcgan.width = 32
  config.dcgan.max_width = 256
  config.train.images = 150_000
  config.train.batch_size = 32
  config.train.log_images = 5_000
  config.train.sample_images = 25_000
  config.train.checkpoint_images = 50_000
  config.evaluate.images = 75_000
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.metrics = ('fd', 'kid')
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  config.generator_optimizer.learning_rate = 4e-4
  config.discriminator_optimizer.learning_rate = 4e-4
  config.sample.rows = 20
  return config
