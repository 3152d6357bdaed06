"""How much does augmentation help where images are few?

After Zhao et al. 2020 (arXiv:2006.10738) and Karras et al. 2020 (arXiv:2006.06676). Command:
.venv/bin/python launch.py ablate --sweep=configs/ablations/few_images.py --parallel=2
"""

from configs import buildings_dcgan
from gan_jax.ablation import sweep

SIZES = (100, 500, 2_000)


def get_sweep() -> sweep.Sweep:
  base = buildings_dcgan.dcgan()
  base.dataset.name = 'characters'
  base.train.sample_images = 10_000
  base.checkpoint.best_score = 'kid_efficientnet_lite0'
  base.evaluate.images = 10_000
  adaptive = {'augment.adaptive': True, 'augment.ramp_images': 30_000.0}
  return sweep.Sweep(
    question='Does augmentation help on 100, 500 and 2,000 characters?',
    base=base,
    variants=sweep.grid(
      {
        'images': {f'{size:,} images': {'dataset.split': f'train[:{size}]'} for size in SIZES},
        'augmentation': {
          'none': {},
          'DiffAugment': {'augment.names': ('diffaugment',), 'augment.strength': 0.5},
          'ADA': {'augment.names': ('ada',), **adaptive},
        },
      }
    ),
    baseline='500 images, none',
    budget=sweep.Budget(images=30_000),
    score='kid_efficientnet_lite0',
  )
