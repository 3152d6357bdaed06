"""What draws the best pictures of 64 pixels in four minutes of a core? Up to 17 recipes a dataset.

Command, with one of characters, emoji, buildings and mri, judged by features none was trained on:
.venv/bin/python launch.py ablate --sweep=configs/ablations/pictures.py:characters --parallel=2
"""

import dataclasses
from typing import Any

from configs import buildings, buildings_dcgan, characters, emoji, mri
from gan_jax.ablation import sweep
from gan_jax.errors import UserError, nearest

DATASETS = {'characters': characters, 'emoji': emoji, 'buildings': buildings, 'mri': mri}
_PUBLISHED = {
  'fastgan.styled': False,
  'projected.norm': 'batch',
  'projected.deviation_group': 0,
  'projected.pixels': False,
  'diffaugment.policy': 'color,translation,cutout',
}
_SIXTEEN = {'train.batch_size': 16}  # of networks that are not short of updates
_STYLEGAN2 = {
  **_SIXTEEN,
  'model.name': 'stylegan2',
  'stylegan2.channel_base': 1024,
  'stylegan2.channel_max': 64,
  'stylegan2.w_size': 64,
  'stylegan2.mapping_layers': 2,
  'stylegan2.style_mixing': 0.0,
}
_R1 = {'regularisers': ('r1',), 'r1.weight': 0.1, 'r1.interval': 16, 'loss.name': 'nonsaturating'}
_RATES = ('generator_optimizer.learning_rate', 'discriminator_optimizer.learning_rate')


def dcgan(base: Any, *kept: str) -> sweep.Overrides:
  """Changes to the DCGAN with R1 that stood here before, on the same data, by the same judges.

  Args:
    base: config that is changed.
    kept: further sections of it that stay.
  """
  other = buildings_dcgan.dcgan()
  own_batch = other.train.batch_size
  other.model.conditional = base.model.conditional
  for name in ('dataset', 'train', 'evaluate', 'sample', 'checkpoint', *kept):
    other[name] = base[name]
  return {**sweep.changes(base, other), 'train.batch_size': own_batch}


def get_sweep(dataset: str) -> sweep.Sweep:
  """Of a dataset by name: its own recipe, then others with the same data and judges."""
  if dataset not in DATASETS:
    raise UserError(f'--sweep: {dataset!r}: {nearest(dataset, DATASETS)}')
  base = DATASETS[dataset].get_config()
  base.anneal_images = 9_000  # about what a core shows in the time
  base.evaluate.images = base.train.images
  base.evaluate.halves = True
  base.evaluate.features = ('efficientnet_lite2',)
  base.evaluate.metrics = ('fd', 'kid', 'precision_recall', 'nearest')
  base.checkpoint.best_score = 'kid_efficientnet_lite2'
  augmented = {'augment.names': ('diffaugment',)}
  variants = {
    'its recipe': {},
    'as published: batch normalisation in the heads': _PUBLISHED,
    'latents in the first layer alone': {'fastgan.styled': False},
    'a head on pixels of 32 channels': {'projected.pixel_width': 32},
    'a head on pixels of 64 channels': {'projected.pixel_width': 64},
    'relativistic': {'loss.name': 'relativistic'},
    'batches of 8': {'train.batch_size': 8, 'projected.deviation_group': 8},
    'batches of 16': {**_SIXTEEN, 'projected.deviation_group': 16},
    'batches of 32': {'train.batch_size': 32, 'projected.deviation_group': 32},
    'half the rates': dict.fromkeys(_RATES, 2.5e-4),
    'separable heads': {'projected.separable': True},
    'separable heads, entering at 128 pixels': {
      'projected.separable': True,
      'projected.side': 128,
    },
    'the two shallow heads alone': {'projected.heads': 2},
    'DCGAN, R1': dcgan(base),
    'DCGAN, R1, DiffAugment': {**dcgan(base), **augmented},
    "FastGAN's generator against a DCGAN with R1": {
      **dcgan(base),
      **augmented,
      'model.name': 'fastgan',
      'model.discriminator': 'dcgan',
      'fastgan.styled': True,
    },
    'StyleGAN2, DiffAugment': {**_STYLEGAN2, **_R1, 'model.discriminator': '', **augmented},
    'R3GAN, DiffAugment': {
      **_SIXTEEN,
      'model.name': 'r3gan',
      'model.discriminator': '',
      'r3gan.widths': (64, 64, 64, 32, 16),
      'loss.name': 'relativistic',
      'regularisers': ('approximate_r1', 'approximate_r2'),
      'approximate_r1.weight': 1.0,
      'approximate_r2.weight': 1.0,
      **augmented,
    },
  }
  if base.model.conditional:
    grouped = {'dataset.class_group': 8, 'projected.deviation_group': 8}
    variants['neighbours of one class'] = {**_SIXTEEN, **grouped}
  made = sweep.Sweep(
    question=f'What draws the best pictures of {dataset} in four minutes of a core?',
    base=base,
    variants=variants,
    baseline='its recipe',
    budget=sweep.Budget(seconds=240),
    seeds=(0,),
    score='kid_efficientnet_lite2',
  )
  its = made.config(made.baseline, 0)
  different = {name: each for name, each in variants.items() if made.config(name, 0) != its}
  return dataclasses.replace(made, variants={made.baseline: {}, **different})
