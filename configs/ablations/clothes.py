"""How `fashion_unconditional.py` was found: a part of it changed at a time, 200 s of a core.

Command: .venv/bin/python launch.py ablate --sweep=configs/ablations/clothes.py --parallel=2
"""

from configs import fashion_unconditional
from gan_jax.ablation import sweep


def get_sweep() -> sweep.Sweep:
  base = fashion_unconditional.get_config()
  base.anneal_images = 250_000  # about what a core shows in the time
  base.evaluate.images = base.train.images
  base.evaluate.halves = True
  rates = ('generator_optimizer.learning_rate_final', 'discriminator_optimizer.learning_rate_final')
  approximate = {'approximate_r1.weight': 0.5, 'approximate_r2.weight': 0.5}
  parts = {
    'mirrored': {'dataset.flip': True},
    'rates that stay': dict.fromkeys(rates),
    'batch normalisation, no R1': {'dcgan.discriminator_norm': 'batch', 'regularisers': ()},
    'spectral normalisation, hinge': {
      'dcgan.discriminator_norm': 'spectral',
      'regularisers': (),
      'loss.name': 'hinge',
    },
    'R1 of 0.1': {'r1.weight': 0.1},
    'R1 of 2': {'r1.weight': 2.0},
    'R1 by differences': {'regularisers': ('approximate_r1',), **approximate},
    'relativistic, R1 and R2 by differences': {
      'loss.name': 'relativistic',
      'regularisers': ('approximate_r1', 'approximate_r2'),
      **approximate,
    },
    'moved by DiffAugment': {
      'augment.names': ('diffaugment',),
      'diffaugment.policy': 'translation',
    },
    'twice the width': {'dcgan.width': 64, 'dcgan.max_width': 512},
    "FastGAN's generator": {
      'model.name': 'fastgan',
      'model.discriminator': 'dcgan',
      'fastgan.width': 8,
      'fastgan.blocks': 'one',
      'fastgan.small_image': False,
      'fastgan.normalised_latent': True,
      'fastgan.image_bias': True,
      'fastgan.tanh': True,
      'fastgan.styled': True,
    },
  }
  return sweep.Sweep(
    question='What makes clothes without labels better in 200 seconds of a core?',
    base=base,
    variants=sweep.one_at_a_time(parts, baseline='as it is'),
    baseline='as it is',
    budget=sweep.Budget(seconds=200),
    seeds=(0,),
    score='fd_classifier',
  )
