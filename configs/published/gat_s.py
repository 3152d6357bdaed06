"""GAT-S/2 on ImageNet in an autoencoder's latents (arXiv:2509.24935), as its code trains it.

Command: .venv/bin/python launch.py train --config=configs/published/gat_s.py
Published: of GAT-XL/2, FID 2.18 at 256 pixels after 60 epochs. Not trained here. Its alignment with
  DINOv2's features of the reals, weight 1, is left out.
Hardware: 8 GPUs for days. Data: float latents `[32, 32, 4]` of unit deviation as a dataset.
"""

from ml_collections import ConfigDict

from configs import default


def gat(depth: int, width: int, heads: int) -> ConfigDict:
  """What all sizes of GAT have in common.

  Args:
    depth: blocks of both players.
    width: of the tokens.
    heads: of attention.
  """
  config = default.get_config()
  config.dataset.name = 'my_latents'  # of launch.py prepare
  config.dataset.resolution = 32
  config.model.name = 'gat'
  config.model.conditional = True
  config.model.latent_size = 64
  config.gat.depth, config.gat.width, config.gat.heads = depth, width, heads
  config.gat.bfloat16 = True
  config.gat.remat = True
  config.loss.name = 'relativistic'
  config.regularisers = ('approximate_r1', 'approximate_r2')
  config.approximate_r1.weight = config.approximate_r2.weight = 0.1
  config.augment.names = ('diffaugment', 'level_noise')
  for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
    optimizer.learning_rate = 2e-4 * 768 / width
    optimizer.beta1, optimizer.beta2 = 0.0, 0.99
    optimizer.clip_norm = 1.0
  config.train.batch_size = 512
  config.train.images = 60 * 1_281_167
  config.train.log_images = 100_000
  config.train.sample_images = 2_000_000
  config.train.checkpoint_images = 2_000_000
  config.ema.half_life_images = 354_700.0  # 0.999 an update
  config.ema.ramp = 0.0
  config.evaluate.images = 5_000_000
  config.evaluate.num_samples = 10_000
  return config


def get_config() -> ConfigDict:
  return gat(12, 384, 6)
