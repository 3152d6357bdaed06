"""DCGAN on three digits in the channels of an RGB image, 32×32: how many of 1,000 modes it finds.

Command: .venv/bin/python launch.py train --config=configs/stacked_digits.py
Time: 4 min on 2 cores of an AMD EPYC (AVX-512).
Score: 1,000 of 1,000 modes, KL 0.21 (after 125,000 images: 997, 0.30; untrained 411, 2.39),
  fd_stacked_digits 115 (untrained 973, held-out reals 8.28), N = 25,600.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'stacked_digits'
  config.dcgan.width = 32
  config.train.images = 250_000
  config.train.batch_size = 50
  config.train.log_images = 10_000
  config.evaluate.images = 125_000
  config.evaluate.num_samples = 25_600  # as the published numbers of modes
  config.evaluate.features = ('stacked_digits',)
  config.evaluate.metrics = ('fd', 'kid', 'modes')
  config.generator_optimizer.learning_rate = 5e-4
  config.discriminator_optimizer.learning_rate = 5e-4
  config.checkpoint.best_score = 'fd_stacked_digits'
  return config
