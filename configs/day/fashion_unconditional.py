"""StyleGAN2-ADA's recipe for CIFAR-10 on Fashion-MNIST without its labels, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/fashion_unconditional.py
Not trained here.
"""

from ml_collections import ConfigDict

from configs.day import fashion


def get_config() -> ConfigDict:
  config = fashion.get_config()
  config.model.conditional = False
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  return config
