"""What of R3GAN's recipe does what, on digits: each part changed alone.

Huang et al. 2024 (arXiv:2501.05441). Command:
.venv/bin/python launch.py ablate --sweep=configs/ablations/r3gan.py --parallel=2
"""

from configs import digits_r3gan
from gan_jax.ablation import sweep


def get_sweep() -> sweep.Sweep:
  base = digits_r3gan.get_config()
  base.anneal_images = 20_000
  base.evaluate.images = 5_000
  return sweep.Sweep(
    question='What does each part of the R3GAN recipe do for digits after 20,000 images?',
    base=base,
    variants=sweep.one_at_a_time(
      {
        'not relativistic': {'loss.name': 'nonsaturating'},
        'without R1': {'regularisers-': 'r1'},
        'without R2': {'regularisers-': 'r2'},
        'without averaging': {'ema.half_life_images': 0.0},
        'with DiffAugment': {
          'augment.names': ('diffaugment',),
          'diffaugment.policy': 'translation,cutout',
        },
      },
      baseline='R3GAN',
    ),
    baseline='R3GAN',
    budget=sweep.Budget(images=20_000),
  )
