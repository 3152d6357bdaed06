"""Fixed features or a DCGAN, both with DiffAugment: 100 to 1,000 images, 20 minutes.

After Sauer et al. 2021 (arXiv:2111.01007). Command:
taskset -c 0 .venv/bin/python launch.py ablate --sweep=configs/ablations/few_shot.py
"""

from configs import characters
from configs.ablations import pictures
from gan_jax.ablation import sweep

SIZES = (100, 300, 1_000)


def get_sweep() -> sweep.Sweep:
  base = characters.get_config()
  base.model.conditional = False
  base.projected.pixel_width = 32  # that of the table in README.md
  base.anneal_images = 42_000  # about what a core shows in the time
  base.train.checkpoint_images = 5_000
  base.evaluate.images = 10_000
  base.evaluate.features = ('efficientnet_lite2',)
  base.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  data = {f'{n:,} characters': {'dataset.split': f'train[:{n}]'} for n in SIZES}
  data['buildings'] = {'dataset.name': 'buildings'}
  return sweep.Sweep(
    question='Fixed features or a DCGAN, where there are few images and 20 minutes?',
    base=base,
    variants=sweep.grid(
      {
        'images': data,
        'method': {'projected': {}, 'DCGAN': pictures.dcgan(base, 'augment', 'diffaugment')},
      }
    ),
    baseline='1,000 characters, DCGAN',
    budget=sweep.Budget(seconds=20 * 60),
    seeds=(0,),
    score='kid_efficientnet_lite2',
  )
