"""GAT on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/gat_fashion.py
Score: SCORE
"""

from ml_collections import ConfigDict

from configs.zoo import resnet_fashion


def get_config() -> ConfigDict:
  config = resnet_fashion.fashion()
  config.model.name = 'gat'
  config.gat.depth = 4
  config.gat.width = 96
  config.gat.heads = 3
  config.gat.patch = 4
  config.gat.label_size = 128
  config.loss.name = 'relativistic'
  config.regularisers = ('approximate_r1', 'approximate_r2')
  config.augment.names = ('level_noise',)
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 1e-3
    optimizer.clip_norm = 1.0
  return config
