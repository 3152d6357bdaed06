"""A run of seconds that goes through everything: for tests, and to see that an installation works.

Command: .venv/bin/python launch.py train --config=configs/smoke.py
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.resolution = 16
  config.model.conditional = True
  config.model.latent_size = 8
  config.dcgan.width = 8
  config.dcgan.embedding_size = 4
  config.train.images = 192
  config.train.batch_size = 16
  config.train.log_images = 32
  config.train.sample_images = 64
  config.train.checkpoint_images = 64
  config.evaluate.images = 96
  config.evaluate.num_samples = 64
  config.evaluate.num_reals = 256
  config.evaluate.batch_size = 64
  config.sample.columns = 4
  return config
