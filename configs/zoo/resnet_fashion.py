"""SNGAN's residual networks on Fashion-MNIST, small: five minutes on one core.

Command: .venv/bin/python launch.py train --config=configs/zoo/resnet_fashion.py
Score: fd_classifier 28.8 (held-out reals 2.18), kid_classifier 1.38,
  class_accuracy_classifier 0.860, N = 1,000, after 53,312 images. Prints are a grid of dots.
"""

from ml_collections import ConfigDict

from configs import default


def fashion() -> ConfigDict:
  """What all of the zoo have in common on Fashion-MNIST: five minutes, and the judges."""
  config = default.get_config()
  config.dataset.name = 'fashion'
  config.model.conditional = True
  config.model.latent_size = 64
  config.train.seconds = 300.0
  config.train.images = 1_000_000
  config.train.batch_size = 32
  config.train.log_images = 2_000
  config.train.sample_images = 20_000
  config.train.checkpoint_images = 20_000
  config.evaluate.images = 1_000_000
  config.checkpoint.best_score = 'fd_classifier'
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.beta1, optimizer.beta2 = 0.0, 0.99
  config.ema.half_life_images = 2_000.0
  return config


def hinge() -> ConfigDict:
  """What the two of the hinge loss add: R1 now and then, and rates that fall."""
  config = fashion()
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


def get_config() -> ConfigDict:
  config = hinge()
  config.model.name = 'resnet'
  config.resnet.width = 16
  return config
