"""FastGAN against fixed features on MRI slices of one head, by plane, 64×64 grey of 16 bits.

Command: .venv/bin/python launch.py train --config=configs/mri.py
Time: 23 min on one core of an AMD EPYC (AVX-512) shared with other work.
Score: kid_efficientnet_lite2 0.0133 (untrained 0.360, held-out reals 0.0131), N = 1,000.
One person has no variety: what this draws says nothing about other people. See
gan_jax/data/datasets/mri.py for what it cannot be used for.
"""

from ml_collections import ConfigDict

from configs import characters


def get_config() -> ConfigDict:
  config = characters.sprites()
  config.dataset.name = 'mri'
  config.dataset.flip = False  # left and right of a head are not the same
  config.train.images = config.anneal_images = 40_000
  config.train.sample_images = 10_000
  return config
