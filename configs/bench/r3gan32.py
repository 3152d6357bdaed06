"""R3GAN at 32×32 on random images, to measure: width 96, two blocks a stage, R1 and R2 every step.

Command: .venv/bin/python launch.py bench --config=configs/bench/r3gan32.py
"""

from ml_collections import ConfigDict

from configs.bench import dcgan64


def get_config() -> ConfigDict:
  config = dcgan64.get_config()
  config.dataset.resolution = 32
  config.model.name = 'r3gan'
  config.model.latent_size = 64
  config.loss.name = 'relativistic'
  config.regularisers = ('r1', 'r2')
  config.r1.weight = 0.05
  config.r2.weight = 0.05
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.beta1 = 0.0
    optimizer.beta2 = 0.9
  config.train.share_batch = False
  return config
