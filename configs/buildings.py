"""FastGAN against fixed features on façades and surfaces of buildings, 64×64 RGB.

Command: .venv/bin/python launch.py train --config=configs/buildings.py
Time: 34 min on one core of an AMD EPYC (AVX-512) shared with other work.
Score: kid_efficientnet_lite0 0.029 (untrained 0.278, held-out reals 0.009), N = 1,000.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  # Some 60 passes over 986 images; samples are no nearer to these than unseen images are.
  config = characters.sprites()
  config.dataset.name = 'buildings'
  config.dataset.flip = True
  config.model.conditional = False
  config.sample.rows = 10
  return config
