"""StyleGAN2 on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/stylegan2_fashion.py
Score: fd_classifier 24.3 (held-out reals 1.51), kid_classifier 1.13,
  class_accuracy_classifier 0.759, N = 1,000, after 40,128 images.
"""

from ml_collections import ConfigDict

from configs.zoo import resnet_fashion


def get_config() -> ConfigDict:
  config = resnet_fashion.fashion()
  config.model.name = 'stylegan2'
  config.stylegan2.channel_base = 512
  config.stylegan2.channel_max = 64
  config.stylegan2.w_size = 64
  config.stylegan2.mapping_layers = 2
  config.stylegan2.style_mixing = 0.0
  config.regularisers = ('r1',)
  config.r1.weight = 0.1
  config.r1.interval = 16
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 2.5e-3
  return config
