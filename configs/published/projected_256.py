"""Projected GAN on few images of 256 pixels (Sauer et al. 2021, arXiv:2111.01007).

Command: .venv/bin/python launch.py train --config=configs/published/projected_256.py
Published: FID 11.21 on 100 pictures of Obama, 15.80 grumpy cats, 3.98 pandas, 3.08 FFHQ; FID looks
  near what it is trained on (arXiv:2203.06026). Scored here by another network than its teacher.
  Not trained here.
Hardware: a GPU for a day.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'my_images'  # of launch.py prepare
  config.dataset.resolution = 256
  config.dataset.flip = True
  config.model.name = 'fastgan'
  config.model.discriminator = 'projected'
  config.model.latent_size = 256
  config.fastgan.width = 128
  config.fastgan.blocks = 'one'  # 'two' for many images
  config.fastgan.small_image = False
  config.fastgan.normalised_latent = True
  config.fastgan.image_bias = True
  config.projected.side = 0  # images as they are; 224 for smaller ones
  config.loss.name = 'hinge'
  config.augment.names = ('diffaugment',)
  config.diffaugment.cutout = 0.2
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 2e-4
    optimizer.beta1, optimizer.beta2 = 0.0, 0.99
  config.train.share_batch = False
  config.train.batch_size = 64
  config.train.images = 1_000_000
  config.train.log_images = 10_000
  config.ema.half_life_images = 20_000.0
  config.evaluate.images = 100_000
  config.evaluate.features = ('efficientnet_lite2',)
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall')
  config.checkpoint.best_score = 'fd_efficientnet_lite2'
  return config
