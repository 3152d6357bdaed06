"""BigGAN on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/biggan_fashion.py
Score: fd_classifier 17.1 (held-out reals 1.51), kid_classifier 0.83,
  class_accuracy_classifier 0.853, N = 1,000, after 25,984 images.
"""

from ml_collections import ConfigDict

from configs.zoo import resnet_fashion


def get_config() -> ConfigDict:
  config = resnet_fashion.fashion()
  config.model.name = 'biggan'
  config.biggan.width = 16
  config.biggan.discriminator_width = 16
  config.biggan.shared_embedding = 32
  config.biggan.attention = 16
  config.loss.name = 'hinge'
  config.generator_optimizer.learning_rate = 5e-4
  config.discriminator_optimizer.learning_rate = 1e-3
  return config
