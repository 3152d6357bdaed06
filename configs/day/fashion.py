"""StyleGAN2-ADA's recipe for CIFAR-10 on Fashion-MNIST, 32×32 grey, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/fashion.py
Not trained here. After configs/published/stylegan2_cifar10.py, shorter: images of one channel.
"""

from ml_collections import ConfigDict

from configs.published import stylegan2_cifar10


def small_images() -> ConfigDict:
  """The recipe at 32 pixels, scored by what tells this dataset's classes apart."""
  config = stylegan2_cifar10.get_config()
  config.dataset.flip = False  # all shoes point to the left
  config.train.images = 25_000_000
  config.evaluate.features = ('classifier',)
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'class_accuracy', 'nearest')
  config.checkpoint.best_score = 'fd_classifier'
  return config


def get_config() -> ConfigDict:
  config = small_images()
  config.dataset.name = 'fashion'
  return config
