"""Makes the parts of a run out of its config: the one place where config keys meet functions."""

from gan_jax.build.budget import Fitted, within_budget
from gan_jax.build.checks import check, ranking
from gan_jax.build.data import (
  Datasets,
  batch_shapes,
  batches,
  datasets,
  describe,
  fake_labels,
  held_out_batch,
  image_size,
  images_per_step,
  trained_on,
)
from gan_jax.build.elsewhere import Brought, brought, is_run, open_generator
from gan_jax.build.opened import OpenRun, open_discriminator, open_run
from gan_jax.build.players import Networks, networks, teacher_digests
from gan_jax.build.programs import (
  TrainingPrograms,
  augmented,
  initial_program,
  shapes,
  step_program,
  train_step,
  training_programs,
)
from gan_jax.build.recipe import recipe
from gan_jax.build.scoring import asked_of, features_of, judged
from gan_jax.build.summary import summary
from gan_jax.build.transfer import start_from, told_line

__all__ = [
  'Brought',
  'Datasets',
  'Fitted',
  'Networks',
  'OpenRun',
  'TrainingPrograms',
  'asked_of',
  'augmented',
  'batch_shapes',
  'batches',
  'brought',
  'check',
  'datasets',
  'describe',
  'fake_labels',
  'features_of',
  'held_out_batch',
  'image_size',
  'images_per_step',
  'initial_program',
  'is_run',
  'judged',
  'networks',
  'open_discriminator',
  'open_generator',
  'open_run',
  'ranking',
  'recipe',
  'shapes',
  'start_from',
  'step_program',
  'summary',
  'teacher_digests',
  'told_line',
  'train_step',
  'trained_on',
  'training_programs',
  'within_budget',
]
