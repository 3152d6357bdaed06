"""FastGAN against fixed features on façades and surfaces of buildings, 64×64 RGB.

Command: .venv/bin/python launch.py train --config=configs/buildings.py
Time: 14 min on one core of an AMD EPYC (AVX2).
Score: kid_efficientnet_lite0 0.0362 (untrained 0.277, held-out reals 0.009), N = 1,000.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.sprites()
  config.dataset.name = 'buildings'
  # In batches of 8 it comes no nearer to held-out images: configs/README.md.
  config.train.batch_size = config.projected.deviation_group = 16
  config.dataset.flip = True
  config.model.conditional = False
  # Of 986 images it learns nothing more after some 16 passes.
  config.train.images = config.anneal_images = 16_000
  config.train.sample_images = 8_000
  config.train.checkpoint_images = 8_000
  config.evaluate.images = 16_000
  config.sample.rows = 10
  return config
