"""BigGAN on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/biggan_fashion.py
Score: fd_classifier 13.7 (held-out reals 2.18), kid_classifier 0.48,
  class_accuracy_classifier 0.864, N = 1,000, after 46,656 images.
"""

from ml_collections import ConfigDict

from configs.zoo import resnet_fashion


def get_config() -> ConfigDict:
  config = resnet_fashion.hinge()
  config.model.name = 'biggan'
  config.biggan.width = 16
  config.biggan.discriminator_width = 16
  config.biggan.shared_embedding = 32
  config.biggan.attention = 16
  return config
