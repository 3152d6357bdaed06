"""SNGAN on CIFAR-10 (Miyato et al. 2018, arXiv:1802.05957), as PyTorch-StudioGAN trains it.

Command: .venv/bin/python launch.py train --config=configs/published/sngan_cifar10.py
Published: FID 13.25 (StudioGAN, 50,000 samples, against the statistics of the test images); the
  paper has 21.7 without classes. Not trained here.
Hardware: a GPU for a day; 100,000 updates of the generator, five of the discriminator before each.
Scored as published: --config.evaluate.features=inception_v3 and its weights, see
  gan_jax/evaluation/README.md.
"""

from ml_collections import ConfigDict

from configs import default

STEPS = 100_000


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'cifar10'
  config.dataset.flip = True
  config.model.name = 'resnet'
  config.model.conditional = True
  config.model.latent_size = 128
  config.loss.name = 'hinge'
  config.train.batch_size = 64
  config.train.d_steps = 5
  config.train.share_batch = False
  config.train.images = STEPS * config.train.d_steps * config.train.batch_size
  config.train.log_images = 100_000
  config.train.sample_images = 1_000_000
  config.train.checkpoint_images = 1_000_000
  config.ema.half_life_images = 0.0  # samples are of the last weights
  config.evaluate.images = 2_000_000
  config.evaluate.num_samples = 10_000
  return config
