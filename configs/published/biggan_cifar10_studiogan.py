"""BigGAN on CIFAR-10 as PyTorch-StudioGAN trains it (arXiv:1809.11096, arXiv:2206.09479).

Another network than that of `biggan_cifar10.py`: hierarchical latents, a shared embedding,
attention, a generator of twice the weights and a discriminator of half of them.

Command: .venv/bin/python launch.py train --config=configs/published/biggan_cifar10_studiogan.py
Published: FID 4.16 by its table (50,000 samples, batch statistics estimated anew
  before sampling). Not trained here; our scores are of the averaged generator with its running
  statistics.
Hardware: a GPU for two days; 100,000 updates of the generator, five of the discriminator each.
"""

from ml_collections import ConfigDict

from configs.published import biggan_cifar10

STEPS = 100_000


def get_config() -> ConfigDict:
  config = biggan_cifar10.get_config()
  config.dataset.flip = True
  config.model.latent_size = 80
  config.biggan.width = 96
  config.biggan.discriminator_width = 96
  config.biggan.shared_embedding = 128
  config.biggan.hierarchical = True
  config.biggan.attention = 16
  config.biggan.initial_weights = 'orthogonal'
  config.biggan.norm_epsilon = 1e-4
  config.biggan.spectral_epsilon = 1e-6
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.beta1 = 0.5
  config.train.batch_size = 64
  config.train.d_steps = 5
  config.train.images = STEPS * config.train.d_steps * config.train.batch_size
  config.ema.half_life_images = 2_218_000.0  # 0.9999 an update of the generator
  return config
