"""DCGAN on Fashion-MNIST without its labels: how well the classes are found, 32×32 grey.

Command: .venv/bin/python launch.py train --config=configs/fashion_unconditional.py
Time: 13 min on one core of an AMD EPYC (AVX2).
Score: fd_classifier 2.24 (untrained 304, held-out reals 0.38), recall 0.802 (reals 0.882),
  N = 10,000.
"""

from ml_collections import ConfigDict

from configs import fashion


def get_config() -> ConfigDict:
  config = fashion.get_config()
  config.model.conditional = False
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  return config
