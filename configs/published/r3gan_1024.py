"""R3GAN at 1,024 pixels: the recipe for 256 (`r3gan_ffhq256.py`), two stages longer.

Command: .venv/bin/python launch.py train --config=configs/published/r3gan_1024.py
Published: nothing; the recipe is ours. R3GAN was published up to 256 pixels (arXiv:2501.05441).
  Widths go on halving as they do from 64 to 256 pixels; the penalties grow with the number of
  pixels, as in StyleGAN2-ADA's presets; the batch is theirs at this size. Not trained here.
Hardware: 8 devices with 16 GB for weeks; see gan_jax/forecast/README.md.
"""

from ml_collections import ConfigDict

from configs.published import r3gan_cifar10


def get_config() -> ConfigDict:
  widths = (768, 768, 768, 768, 384, 192, 96, 48, 24)
  config = r3gan_cifar10.r3gan(1024, widths, gamma=2400.0, batch_size=32)
  config.dataset.name = 'my_faces'  # of launch.py prepare: FFHQ, or any other
  config.r3gan.bfloat16_stages = 6
  config.augment.strength_final = 0.3
  config.train.images = 150_000_000
  return config
