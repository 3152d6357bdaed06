"""The published DCGAN at 64×64 on random images, to measure: its step is PyTorch's own example's.

Command: .venv/bin/python launch.py bench --config=configs/bench/dcgan64.py
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'random_images'
  config.dataset.resolution = 64
  config.evaluate.images = 0
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.batch_size = 64
  config.evaluate.metrics = ('fd',)
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  return config
