"""StyleGAN2-ADA `paper1024` (arXiv:2006.06676), a preset of its code.

Command: .venv/bin/python launch.py train --config=configs/published/stylegan2_paper1024.py
Published: in the tables of the paper, for MetFaces and FFHQ. Not trained here.
Hardware: 8 GPUs for a week; published, 20.2 to 20.6 s a 1,000 images on eight V100.
"""

from ml_collections import ConfigDict

from configs.published import stylegan2_auto


def get_config() -> ConfigDict:
  config = stylegan2_auto.stylegan2(1024, 32, gamma=2.0, rate=0.002)
  config.dataset.name = 'my_faces'  # of launch.py prepare: FFHQ, or any other
  config.stylegan2.channel_base = 32768
  config.ema.half_life_images = 10_000.0
  config.ema.ramp = 0.0
  return config
