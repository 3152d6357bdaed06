"""DCGAN on façades and surfaces of buildings, 64×64 RGB.

Command: .venv/bin/python launch.py train --config=configs/buildings_dcgan.py
Time: 11 min on 2 cores of an AMD EPYC (AVX-512).
Score: kid_efficientnet_lite0 0.0647 (untrained 0.179, held-out reals 0.009), N = 1,000.
Larger: --config.dataset.resolution=256, on an accelerator.
"""

from ml_collections import ConfigDict

from configs import default


def dcgan() -> ConfigDict:
  """DCGAN with R1 at 64 pixels, for some thousand images: 200,000 of them shown."""
  config = default.get_config()
  config.dataset.resolution = 64
  config.dataset.flip = True
  config.model.conditional = True
  config.model.latent_size = 64
  config.dcgan.width = 32
  config.dcgan.max_width = 256
  config.dcgan.discriminator_norm = 'none'
  config.regularisers = ('r1',)
  config.r1.weight = 0.5
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 1e-3
    optimizer.beta1 = 0.0
    optimizer.beta2 = 0.99
  config.train.images = 200_000
  config.train.batch_size = 16
  config.train.log_images = 5_000
  config.train.sample_images = 20_000
  config.train.checkpoint_images = 40_000
  config.evaluate.images = 40_000
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.metrics = ('fd', 'kid')
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  config.sample.rows = 20
  return config


def get_config() -> ConfigDict:
  config = dcgan()
  config.dataset.name = 'buildings'
  config.model.conditional = False
  config.sample.rows = 10
  config.train.images = 100_000
  config.train.sample_images = 10_000
  config.train.checkpoint_images = 25_000
  config.evaluate.images = 25_000
  return config
