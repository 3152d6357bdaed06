"""DCGAN at 64 pixels (Radford et al. 2015, arXiv:1511.06434).

Command: .venv/bin/python launch.py train --config=configs/published/dcgan64.py
Published: no score; samples of LSUN bedrooms after five epochs. Not trained here.
Hardware: a GPU for a day.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'my_images'  # of launch.py prepare
  config.dataset.resolution = 64
  config.model.name = 'dcgan'
  config.model.latent_size = 100
  config.dcgan.width = 64
  config.dcgan.max_width = 512
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 2e-4
    optimizer.beta1, optimizer.beta2 = 0.5, 0.999
  config.train.batch_size = 128
  config.train.images = 15_000_000
  config.ema.half_life_images = 0.0  # samples are of the last weights
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.metrics = ('fd', 'kid')
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  return config
