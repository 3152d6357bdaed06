"""FastGAN on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/fastgan_fashion.py
Score: SCORE
"""

from ml_collections import ConfigDict

from configs.zoo import resnet_fashion


def get_config() -> ConfigDict:
  config = resnet_fashion.fashion()
  config.model.name = 'fastgan'
  config.fastgan.width = 16
  config.fastgan.tanh = True
  config.model.conditional = False
  config.evaluate.metrics = ('fd', 'kid')
  config.loss.name = 'soft_hinge'
  config.regularisers = ('reconstruction',)
  config.augment.names = ('diffaugment',)
  config.diffaugment.policy = 'translation'
  config.train.batch_size = 16
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 5e-4
    optimizer.beta1 = 0.5
  return config
