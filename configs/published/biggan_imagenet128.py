"""BigGAN on ImageNet at 128 pixels, as its authors' PyTorch code trains it (arXiv:1809.11096).

Command: .venv/bin/python launch.py train --config=configs/published/biggan_imagenet128.py
Published: in the paper's Table 1, by networks trained on TPUs. Not trained here.
Hardware: 64 GPUs or TPU cores for days. The code adds up 8 parts of 256 images, each normalised by
  itself, on 8 GPUs for two weeks; here a batch is normalised as one.
"""

from ml_collections import ConfigDict

from configs.published import biggan_cifar10

STEPS = 150_000


def get_config() -> ConfigDict:
  config = biggan_cifar10.get_config()
  config.dataset.name = 'imagenet2012'
  config.dataset.holdout_split = 'validation'
  config.dataset.resolution = 128
  config.dataset.flip = True
  config.model.latent_size = 120
  config.biggan.width = 96
  config.biggan.discriminator_width = 96
  config.biggan.shared_embedding = 128
  config.biggan.hierarchical = True
  config.biggan.attention = 64
  config.biggan.initial_weights = 'orthogonal'
  config.biggan.spectral_epsilon = 1e-6
  config.generator_optimizer.learning_rate = 1e-4
  config.discriminator_optimizer.learning_rate = 4e-4
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.epsilon = 1e-6
  config.train.batch_size = 2048
  config.train.d_steps = 1
  config.train.images = STEPS * config.train.batch_size
  config.ema.half_life_images = 14_195_000.0  # 0.9999 an update
  return config
