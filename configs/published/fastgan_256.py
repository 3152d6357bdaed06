"""FastGAN on few images of 256 pixels (Liu et al. 2021, arXiv:2101.04775).

Command: .venv/bin/python launch.py train --config=configs/published/fastgan_256.py
Published: FID 41.05 on 100 pictures of Obama, 26.65 grumpy cats, 10.03 pandas. Not trained here,
  and not to be had to the number: LPIPS, by which it compares what it decodes, is in no package;
  absolute differences stand in its place.
Hardware: a GPU for half a day.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'my_images'  # of launch.py prepare
  config.dataset.resolution = 256
  config.dataset.flip = True
  config.model.name = 'fastgan'
  config.model.latent_size = 256
  config.loss.name = 'soft_hinge'
  config.regularisers = ('reconstruction',)
  config.augment.names = ('diffaugment',)
  config.diffaugment.policy = 'color,translation'
  config.train.batch_size = 8
  config.train.images = 400_000
  config.train.log_images = 5_000
  config.train.checkpoint_images = 40_000
  config.ema.half_life_images = 5_545.0  # 0.999 an update
  config.ema.ramp = 0.0
  config.evaluate.images = 100_000
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.metrics = ('fd', 'kid')
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  return config
