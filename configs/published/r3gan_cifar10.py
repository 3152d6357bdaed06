"""R3GAN on CIFAR-10, conditional (Huang et al. 2025, arXiv:2501.05441), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_cifar10.py
Published: FID 1.96 (50,000 samples, against the training images), after 250 million images. Not
  trained here; its augmentation is ADA's at a fixed strength that rises to 0.55.
Hardware: 8 GPUs for days.
"""

from ml_collections import ConfigDict

from configs import default


def r3gan(resolution: int, widths: tuple[int, ...], gamma: float, batch_size: int) -> ConfigDict:
  """What all presets of R3GAN have in common.

  Args:
    resolution: of the images, pixels.
    widths: channels from 4 pixels upwards.
    gamma: of R1 and R2 at first; a tenth of it in the end.
    batch_size: images of an update.
  """
  config = default.get_config()
  config.dataset.resolution = resolution
  config.dataset.flip = True
  config.model.name = 'r3gan'
  config.model.latent_size = 64
  config.r3gan.widths = widths
  config.r3gan.discriminator_embedding_size = widths[0]
  config.loss.name = 'relativistic'
  config.regularisers = ('r1', 'r2')
  for penalty in (config.r1, config.r2):
    penalty.weight, penalty.weight_final = gamma, gamma / 10
  config.augment.names = ('ada',)
  config.augment.strength = 0.0
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate, optimizer.learning_rate_final = 2e-4, 5e-5
    optimizer.beta1, optimizer.beta2, optimizer.beta2_final = 0.0, 0.9, 0.99
  config.ema.half_life_images = 0.0
  config.ema.half_life_images_final = 500_000.0
  config.ema.ramp = 0.0
  config.anneal_images = 20_000_000
  config.train.share_batch = False
  config.train.batch_size = batch_size
  config.train.log_images = 100_000
  config.train.sample_images = 1_000_000
  config.train.checkpoint_images = 1_000_000
  config.evaluate.images = 5_000_000
  config.evaluate.num_samples = 10_000
  return config


def get_config() -> ConfigDict:
  config = r3gan(32, (768,) * 4, gamma=0.05, batch_size=512)
  config.dataset.name = 'cifar10'
  config.model.conditional = True
  config.r3gan.bfloat16_stages = 3
  config.augment.strength_final = 0.55
  config.ema.half_life_images_final = 5_000_000.0
  config.train.images = 250_000_000
  return config
