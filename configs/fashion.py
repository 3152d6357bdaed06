"""Class-conditional DCGAN on Fashion-MNIST: clothes, shoes and bags, 32×32 grey.

Command: .venv/bin/python launch.py train --config=configs/fashion.py
Time: 14 min on one core of an AMD EPYC (AVX2).
Score: fd_classifier 1.07 (untrained 298, held-out reals 0.38), class_accuracy_classifier 0.917
  (reals 0.907), recall 0.799 (reals 0.882), N = 10,000.
"""

from ml_collections import ConfigDict

from configs import digits


def get_config() -> ConfigDict:
  config = digits.small_images()
  config.dataset.name = 'fashion'
  # All shoes point to the left: mirrored ones would be drawn, too, and none of them is real.
  config.dataset.flip = False
  config.model.conditional = True
  config.dcgan.width = 32
  config.dcgan.max_width = 256
  config.train.images = config.anneal_images = 1_000_000
  config.train.batch_size = 64
  config.train.log_images = 10_000
  config.train.sample_images = 50_000
  config.train.checkpoint_images = 100_000
  config.evaluate.images = 500_000
  config.evaluate.num_samples = 10_000
  config.evaluate.num_reals = 10_000
  return config
