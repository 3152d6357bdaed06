"""Class-conditional game characters, 64×64 with transparency, by faction, from fixed features.

FastGAN's generator against a discriminator on features of EfficientNet-Lite1; judged by 0 and 2.

Command: .venv/bin/python launch.py train --config=configs/characters.py
Time: 58 min on half a core of an AMD EPYC (AVX-512); buildings.py, of the same steps, 34 on one.
Score: kid_efficientnet_lite2 0.0152 (untrained 0.487, held-out reals 0.0033), N = 1,000.
"""

from ml_collections import ConfigDict

from configs import default


def sprites() -> ConfigDict:
  """What the recipes of fixed features have in common, for some thousand images of 64 pixels.

  Latents enter every layer, and the heads have no batch normalisation: with it all of a class get
  one palette; with colours among the augmentations they run to their extremes. Batches are small,
  as it is updates that the time is too short for.
  """
  config = default.get_config()
  config.dataset.resolution = 64
  config.model.name = 'fastgan'
  config.model.discriminator = 'projected'
  config.model.conditional = True
  config.model.latent_size = 64
  config.fastgan.width = 16
  config.fastgan.blocks = 'one'
  config.fastgan.small_image = False
  config.fastgan.normalised_latent = True
  config.fastgan.image_bias = True
  config.fastgan.tanh = True
  config.fastgan.styled = True
  config.projected.network = 'efficientnet_lite1'
  config.projected.side = 0
  config.projected.norm = 'none'
  config.projected.deviation_group = 8
  config.projected.pixels = True
  config.projected.pixel_width = 64  # half as wide it lets dots pass, on capes and in folds
  config.loss.name = 'hinge'
  config.augment.names = ('diffaugment',)
  config.diffaugment.policy = 'translation,cutout'
  config.diffaugment.cutout = 0.2
  config.anneal_images = 60_000
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 5e-4
    optimizer.learning_rate_final = 1e-4
    optimizer.beta1 = 0.0
    optimizer.beta2 = 0.99
  config.train.images = 60_000
  config.train.batch_size = 8
  config.train.log_images = 5_000
  config.train.sample_images = 20_000
  config.train.checkpoint_images = 20_000
  config.evaluate.images = 20_000
  config.evaluate.features = ('efficientnet_lite2', 'efficientnet_lite0')
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  config.checkpoint.best_score = 'fd_efficientnet_lite2'
  config.sample.rows = 20
  return config


def get_config() -> ConfigDict:
  config = sprites()
  config.dataset.name = 'characters'
  config.dataset.flip = True
  return config
