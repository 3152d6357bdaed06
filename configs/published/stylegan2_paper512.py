"""StyleGAN2-ADA `paper512` (arXiv:2006.06676), a preset of its code.

Command: .venv/bin/python launch.py train --config=configs/published/stylegan2_paper512.py
Published: in the tables of the paper, for AFHQ. Not trained here.
Hardware: 8 GPUs for days.
"""

from ml_collections import ConfigDict

from configs.published import stylegan2_auto


def get_config() -> ConfigDict:
  config = stylegan2_auto.stylegan2(512, 64, gamma=0.5, rate=0.0025)
  config.dataset.name = 'my_faces'  # of launch.py prepare: FFHQ, or any other
  config.stylegan2.channel_base = 32768
  config.stylegan2.deviation_group = 8
  config.ema.half_life_images = 20_000.0
  config.ema.ramp = 0.0
  return config
