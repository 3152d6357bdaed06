"""StyleGAN2-ADA on a folder of images, its preset `auto` for one GPU.

Command: .venv/bin/python launch.py train --config=configs/published/stylegan2_auto.py
Published: in the tables of arXiv:2006.06676, for smaller sets of faces, cats and more. Not trained
  here.
Hardware: one GPU for days at 256 pixels; published, 21.6 to 24.2 s a 1,000 images on a V100.
"""

from ml_collections import ConfigDict

from configs import default


def stylegan2(resolution: int, batch_size: int, gamma: float, rate: float) -> ConfigDict:
  """What all presets of StyleGAN2-ADA have in common.

  Args:
    resolution: of the images, pixels.
    batch_size: images of an update.
    gamma: of R1.
    rate: of both optimisers.
  """
  config = default.get_config()
  config.dataset.resolution = resolution
  config.dataset.flip = True
  config.model.name = 'stylegan2'
  config.model.latent_size = 512
  config.stylegan2.channel_base = 16384
  config.stylegan2.bfloat16_stages = 4
  config.stylegan2.clamp = 256.0
  config.regularisers = ('r1', 'path_length')
  config.r1.weight, config.r1.interval = gamma, 16
  config.path_length.weight, config.path_length.interval = 2.0, 4
  config.augment.names = ('ada',)
  config.augment.adaptive = True
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = rate
    optimizer.beta1, optimizer.beta2 = 0.0, 0.99
  config.ema.half_life_images = batch_size * 10_000 / 32
  config.train.images = 25_000_000
  config.train.share_batch = False
  config.train.batch_size = batch_size
  config.train.log_images = 10_000
  config.train.sample_images = 200_000
  config.train.checkpoint_images = 200_000
  config.evaluate.images = 1_000_000
  config.evaluate.num_samples = 10_000
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.metrics = ('fd', 'kid')
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  return config


def get_config() -> ConfigDict:
  resolution, batch_size = 256, 16
  config = stylegan2(resolution, batch_size, 0.0002 * resolution**2 / batch_size, rate=0.0025)
  config.dataset.name = 'my_images'  # of launch.py prepare
  config.stylegan2.mapping_layers = 2
  config.stylegan2.deviation_group = 4
  return config
