"""BigGAN on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/biggan_fashion.py
Score: fd_classifier 13.7 (held-out reals 2.18), kid_classifier 0.48,
  class_accuracy_classifier 0.864, N = 1,000, after 46,656 images.
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
  config.regularisers = ('r1',)
  config.r1.weight = 0.5
  config.r1.interval = 4
  config.anneal_images = 60_000  # about what a core shows in the time
  config.generator_optimizer.learning_rate = 5e-4
  config.generator_optimizer.learning_rate_final = 5e-5
  config.discriminator_optimizer.learning_rate = 1e-3
  config.discriminator_optimizer.learning_rate_final = 1e-4
  return config
