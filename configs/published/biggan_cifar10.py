"""BigGAN on CIFAR-10 as its authors' PyTorch code trains it (arXiv:1809.11096).

Command: .venv/bin/python launch.py train --config=configs/published/biggan_cifar10.py
Published: FID 9.59 (10,000 samples, against the test images; the README of data-efficient-gans).
  Not trained here.
Hardware: a GPU for a day or two; 500 epochs, four updates of the discriminator before each.
"""

from ml_collections import ConfigDict

from configs import default

STEPS = 125_000  # 500 epochs of 50,000 images in batches of 4 x 50


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'cifar10'
  config.model.name = 'biggan'
  config.model.conditional = True
  config.model.latent_size = 128
  config.biggan.width = 64
  config.biggan.discriminator_width = 128
  config.biggan.shared_embedding = 0
  config.biggan.hierarchical = False
  config.biggan.initial_weights = 'normal'
  config.biggan.spectral_epsilon = 1e-8
  config.labels.fakes = 'uniform'
  config.loss.name = 'hinge'
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 2e-4
    optimizer.beta1, optimizer.beta2 = 0.0, 0.999
  config.train.batch_size = 50
  config.train.d_steps = 4
  config.train.share_batch = False
  config.train.images = STEPS * config.train.d_steps * config.train.batch_size
  config.train.log_images = 100_000
  config.train.sample_images = 1_000_000
  config.train.checkpoint_images = 1_000_000
  # 0.9999 an update of the generator, which 200 images are shown for.
  config.ema.half_life_images = 1_386_000.0
  config.ema.ramp = 0.0
  config.evaluate.images = 2_000_000
  config.evaluate.num_samples = 10_000
  return config
