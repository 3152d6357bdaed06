"""DCGAN on three digits in the channels of an RGB image, 32×32: how many of 1,000 modes it finds.

Command: .venv/bin/python launch.py train --config=configs/stacked_digits.py
Time: 5 min on one core of an AMD EPYC (AVX2).
Score: 1,000 of 1,000 modes, KL 0.031 (untrained 266, 3.10; real digits 0.011), fd_stacked_digits
  31.0 (untrained 1241), N = 25,600.
"""

from ml_collections import ConfigDict

from configs import digits


def count_modes(config: ConfigDict) -> None:
  """Scores by the digits of the channels, over as many samples as published numbers of modes."""
  config.evaluate.num_samples = 25_600
  config.evaluate.features = ('stacked_digits',)
  config.evaluate.metrics = ('fd', 'kid', 'modes')
  config.checkpoint.best_score = 'fd_stacked_digits'


def get_config() -> ConfigDict:
  config = digits.small_images()
  config.dataset.name = 'stacked_digits'
  config.model.latent_size = 100
  config.dcgan.width = 32
  config.train.images = config.anneal_images = 300_000
  config.train.log_images = 10_000
  config.evaluate.images = 150_000
  count_modes(config)
  return config
