"""StyleGAN2-ADA `paper256` (arXiv:2006.06676), a preset of its code.

Command: .venv/bin/python launch.py train --config=configs/published/stylegan2_paper256.py
Published: in the tables of the paper, for FFHQ and LSUN cats. Not trained here.
Hardware: 8 GPUs; published, 4.4 to 5.5 s a 1,000 images on eight V100.
"""

from ml_collections import ConfigDict

from configs.published import stylegan2_auto


def get_config() -> ConfigDict:
  config = stylegan2_auto.stylegan2(256, 64, gamma=1.0, rate=0.0025)
  config.dataset.name = 'my_faces'  # of launch.py prepare: FFHQ, or any other
  config.stylegan2.deviation_group = 8
  config.ema.half_life_images = 20_000.0
  config.ema.ramp = 0.0
  return config
