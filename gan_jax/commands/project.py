"""`launch.py project`: flags and what they ask for."""

import os

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
SEVERAL_HOSTS = True
TEXT = 'Find the latents of images, and whether they lie outside what a model knows.'
EXAMPLE = 'launch.py project --workdir=runs/digits --images=scans --out=projected'


def define() -> None:
  """Defines the flags."""
  common.define_path('workdir', None, 'Folder of the run.', required=True)
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  common.define_path(
    'images', None, 'An image, or a folder or archive of them, as `prepare` takes it.',
    required=True,
  )  # fmt: skip
  common.define_path(
    'out', None, 'Folder for latents.npz and projections.png, .csv and .json.', required=True
  )
  flags.DEFINE_string(
    'space', '', 'z; of generators with a mapping network w or w+; default: w where there is one.'
  )
  flags.DEFINE_string('classes', '', 'Classes of the images, in turn; default: they are found.')
  flags.DEFINE_string('labels', '', 'folders: the folder that an image is in is its class.')
  flags.DEFINE_list(
    'features', [], 'Networks compared beside pixels, such as efficientnet_lite0; default: none.'
  )
  flags.DEFINE_string(
    'against',
    '',
    'What says how far is far: held_out, real images kept from training, or samples of the model; '
    'default: held_out where the data are there.',
  )
  flags.DEFINE_integer('references', 99, 'So many of these; 0: no p-values.')
  flags.DEFINE_string('fit', '', 'crop, pad or stretch; default: as the dataset was prepared.')
  flags.DEFINE_bool('film', False, 'Write way.mp4 too: the first images as they are approached.')
  common.define_path('data_dir', '', "Where the run's dataset is, if it was moved.")
  common.define_follow_links()


def run() -> None:
  """Runs the command; of several hosts the first projects.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax.runtime import hosts

  hosts.on_first(_run)


def _run() -> None:
  import gan_jax
  from gan_jax import progress, project
  from gan_jax.errors import UserError
  from gan_jax.evaluation import report
  from gan_jax.latents.projection import Settings
  from gan_jax.text import say

  if FLAGS.labels not in ('', 'folders'):
    raise UserError(f'--labels={FLAGS.labels}: accepted: folders')
  asked = project.Asked(
    space=FLAGS.space,
    classes=FLAGS.classes,
    folders=bool(FLAGS.labels),
    features=tuple(FLAGS.features),
    against=FLAGS.against,
    references=FLAGS.references,
    fit=FLAGS.fit,
    data_dir=FLAGS.data_dir,
    follow_links=FLAGS.follow_links,
    settings=Settings(way=project.POINTS if FLAGS.film else 0),
  )
  project.check(asked)
  model = gan_jax.open(FLAGS.workdir, checkpoint=FLAGS.step)
  report.check(FLAGS.out)
  with progress.stages('images') as watch:
    found = project.project(model, FLAGS.images, asked, watch)
  project.write(found, FLAGS.out)
  project.show(found)
  names = [*project.FILES, *([project.FILM] if FLAGS.film else [])]
  say('written: ' + ', '.join(os.path.join(FLAGS.out, name) for name in names))
