"""DCGAN on MRI slices of one head, by plane, 64×64 grey of 16 bits.

Command: .venv/bin/python launch.py train --config=configs/mri.py
Time: 10 min on 2 cores of an AMD EPYC (AVX-512).
Score: fd_efficientnet_lite0 81.7 (untrained 275, held-out reals 83.8), N = 1,000.
One person has no variety: what this draws says nothing about other people. See
gan_jax/data/datasets/mri.py for what it cannot be used for.
"""

from ml_collections import ConfigDict

from configs import buildings_dcgan


def get_config() -> ConfigDict:
  config = buildings_dcgan.dcgan()
  config.dataset.name = 'mri'
  config.dataset.flip = False  # left and right of a head are not the same
  config.train.images = 100_000
  config.train.sample_images = 10_000
  config.train.checkpoint_images = 25_000
  config.evaluate.images = 25_000
  return config
