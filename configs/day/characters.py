"""StyleGAN2-ADA on game characters by faction, 64×64 with transparency, for one GPU and a day.

Command: .venv/bin/python launch.py train --config=configs/day/characters.py
Not trained here. The preset `auto` of StyleGAN2-ADA's code at this size, with classes.
"""

from ml_collections import ConfigDict

from configs.published import stylegan2_auto


def sprites(resolution: int, batch_size: int) -> ConfigDict:
  """The preset `auto` on some thousand images with classes.

  Args:
    resolution: pixels.
    batch_size: images of an update.
  """
  gamma = 0.0002 * resolution**2 / batch_size
  config = stylegan2_auto.stylegan2(resolution, batch_size, gamma, rate=0.0025)
  config.model.conditional = True
  config.stylegan2.mapping_layers = 2
  config.stylegan2.deviation_group = 4
  config.train.images = 10_000_000
  config.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  config.sample.rows = 20
  return config


def get_config() -> ConfigDict:
  config = sprites(64, 32)
  config.dataset.name = 'characters'
  return config
