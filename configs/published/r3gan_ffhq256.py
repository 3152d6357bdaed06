"""R3GAN on faces at 256 pixels (FFHQ) (Huang et al. 2025, arXiv:2501.05441), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_ffhq256.py
Published: FID 2.75 (50,000 samples). Not trained here.
Hardware: 8 GPUs for a week.
"""

from ml_collections import ConfigDict

from configs.published import r3gan_cifar10


def get_config() -> ConfigDict:
  config = r3gan_cifar10.r3gan(256, (768, 768, 768, 768, 384, 192, 96), gamma=150.0, batch_size=256)
  config.dataset.name = 'my_faces'  # of launch.py prepare: FFHQ at this size
  config.r3gan.bfloat16_stages = 4
  config.augment.strength_final = 0.3
  config.train.images = 150_000_000
  return config
