"""`launch.py audit`: flags and what they ask for."""

import os
from typing import Any

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Judge a model, or images by anybody, before they are used.'
EXAMPLE = 'launch.py audit --workdir=runs/digits --out=audits/digits'

# Flags that go to the audits which have a setting of that name.
_SETTINGS = (
  *('attributes', 'target', 'mitigate', 'shares', 'seeds', 'rare'),
  *('false_alarms', 'keep_within', 'least'),
)


def define() -> None:
  """Defines the flags."""
  common.define_path('workdir', None, 'Folder of the run.')
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  common.define_path('data_dir', '', 'Where the dataset of the run is, if it was moved.')
  common.define_path(
    'images', None, 'Instead of a run: a folder, .zip, .tar, .npy, .npz or .parquet of images.'
  )
  common.define_path('reference', '', 'With --images: the real images.')
  common.define_path(
    'held_out', '', 'With --images: other real images; default: a half of the reference.'
  )
  common.define_path(
    'labels', '', 'With --images: folders, where the class is the folder, or a label file.'
  )
  common.define_follow_links()
  flags.DEFINE_list(
    'audits', None, 'Such as representation,utility; all; default: those that take minutes.'
  )
  flags.DEFINE_integer('num_samples', 10_000, 'Images audited, at most.', lower_bound=2)
  flags.DEFINE_list('features', [], "Feature networks; default: those of the run's config.")
  flags.DEFINE_integer('seed', 0, 'Of the latents and of all choices.')
  flags.DEFINE_list(
    'attributes', None, 'Attributes whose shares are looked at; default: all that were kept.'
  )
  flags.DEFINE_string(
    'target',
    None,
    'Shares that there should be: class=uniform, class=data, ATTRIBUTE=VALUE:0.2,OTHER:0.8, or a '
    '.json file {"ATTRIBUTE": {"VALUE": 0.2}}; several with semicolons.',
  )
  flags.DEFINE_bool(
    'mitigate', None, 'Sample to the target, write the images to OUT/to_target, audit them again.'
  )
  flags.DEFINE_list(
    'shares', None, 'Shares of generated among training images for utility; default: 0.1,0.3,0.5.'
  )
  flags.DEFINE_integer('seeds', None, 'Seeds of utility; default: 5.', lower_bound=2)
  flags.DEFINE_string('rare', None, 'Class that utility looks at; default: the rarest.')
  flags.DEFINE_float(
    'false_alarms', None, 'Share of unseen real images that memorisation may call copies: 0.01.'
  )
  flags.DEFINE_float(
    'keep_within', None, 'Share of real images that scope counts as outside; default: 0.05.'
  )
  flags.DEFINE_integer(
    'least', None, 'Images that the data must hold of what may be asked for; default: 10.'
  )
  flags.DEFINE_bool('metrics', False, "Add the numbers to the run's metrics.jsonl too.")
  common.define_path(
    'out', None, 'Folder for audit.json, .csv and .html; default: audit in the workdir.'
  )


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import progress
  from gan_jax.audit import conduct, report, subject
  from gan_jax.errors import UserError
  from gan_jax.text import say
  from gan_jax.workdir import record

  if bool(FLAGS.workdir) == bool(FLAGS.images):
    raise UserError('--workdir=RUN, or --images=FOLDER with --reference=FOLDER: give one of them')
  if FLAGS.images:
    common.refuse_beside('images', ('step', 'data_dir', 'metrics'))
    if not FLAGS.reference:
      raise UserError('--images: needs --reference=FOLDER, the real images')
    if not FLAGS.out:
      raise UserError('--out: name a folder for audit.json, .csv and .html')
  else:
    common.refuse_beside('workdir', ('reference', 'held_out', 'labels', 'follow_links'))
    record.load_config(FLAGS.workdir)  # says where there is no run, before a folder is made
  modules = conduct.chosen(FLAGS.audits)
  out = FLAGS.out or os.path.join(FLAGS.workdir, 'audit')
  given: dict[str, Any] = {
    name: tuple(value) if isinstance(value, list) else value
    for name in _SETTINGS
    if (value := FLAGS[name].value) is not None
  }
  settings = conduct.settings_of(modules, given)
  report.check(out)
  features = tuple(FLAGS.features)
  with progress.stages('images') as watch:
    if FLAGS.images:
      found = subject.of_folder(
        FLAGS.images,
        FLAGS.reference,
        FLAGS.held_out,
        FLAGS.labels,
        FLAGS.num_samples,
        features,
        FLAGS.seed,
        FLAGS.follow_links,
        watch,
      )
    else:
      found = subject.of_run(
        FLAGS.workdir,
        FLAGS.step,
        FLAGS.num_samples,
        features,
        FLAGS.data_dir,
        FLAGS.seed,
        watch,
      )
    found.out = out
    results = conduct.conduct(found, modules, settings)
  report.show(results)
  report.write(found, results, out)
  if FLAGS.metrics:
    report.add_to_record(found, results)
  say('written: ' + ', '.join(os.path.join(out, name) for name in report.FILES))
