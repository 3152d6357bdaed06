"""Which loss makes the best clothes, all else equal?

All of them with R1 (Mescheder et al. 2018, arXiv:1801.04406), which each can do with; without a
penalty the Wasserstein loss has no ground to stand on.

Command: .venv/bin/python launch.py ablate --sweep=configs/ablations/losses.py --parallel=2
"""

from configs import fashion
from gan_jax.ablation import sweep


def get_sweep() -> sweep.Sweep:
  base = fashion.get_config()
  base.r1.weight = 1.0
  base.evaluate.images = 20_000
  base.evaluate.num_samples = 1_000
  base.evaluate.metrics = ('fd', 'kid', 'class_accuracy')
  base.train.sample_images = 20_000
  return sweep.Sweep(
    question='Which loss makes the best clothes after 100,000 images, with R1, all else equal?',
    base=base,
    variants={
      'non-saturating': {},
      'hinge': {'loss.name': 'hinge'},
      'Wasserstein': {'loss.name': 'wasserstein'},
      'least squares': {'loss.name': 'least_squares'},
      'relativistic': {'loss.name': 'relativistic'},
    },
    baseline='non-saturating',
    budget=sweep.Budget(images=100_000),
  )
