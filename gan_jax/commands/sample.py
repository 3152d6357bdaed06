"""`launch.py sample`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
SEVERAL_HOSTS = True
TEXT = 'Draw images from a trained generator.'
EXAMPLE = 'launch.py sample --workdir=runs/digits --count=50 --classes=3,7 --out=digits.png'


def define() -> None:
  """Defines the flags."""
  common.define_path('workdir', None, 'Folder of the run.', required=True)
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  flags.DEFINE_integer('count', 100, 'Number of images of --seed.')
  flags.DEFINE_string(
    'classes',
    '',
    'Classes to draw in turn, as 0,1,2 or cat,dog; cat:3,dog draws three cats to a dog; default: '
    'all.',
  )
  flags.DEFINE_bool('every_class', False, 'Draw every latent in each of the classes.')
  flags.DEFINE_integer('seed', 0, 'Of the latents: the same seed draws the same images.')
  flags.DEFINE_string('seeds', '', 'Instead: one image of each seed, as 0-9,15.')
  flags.DEFINE_float(
    'truncation',
    1.0,
    "Below 1, more typical images and less variety: the share of w's way from its mean where the "
    'architecture keeps that mean (stylegan2, gat), else a factor on the latents.',
  )
  common.define_path(
    'out',
    None,
    'FILE.png: a grid; FILE.zip: as StyleGAN2-ADA has datasets; FILE.npz; else a folder of '
    '<index>_<class>.png.',
    required=True,
  )
  flags.DEFINE_string(
    'format',
    '',
    'grid, folder, zip, npz; or tfds: --out=DATA_DIR/NAME is a dataset; default: by the ending.',
  )
  flags.DEFINE_bool(
    'captions', False, 'Write class and seed, or index, under each image of a grid.'
  )
  flags.DEFINE_bool(
    'overwrite', False, 'Write into a folder that has something in it; replace a TFDS dataset.'
  )


def run() -> None:
  """Runs the command; of several hosts the first draws.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax.runtime import hosts

  hosts.on_first(_run)


def _run() -> None:
  from gan_jax import opening, sample
  from gan_jax.sampling import classes, plan
  from gan_jax.text import number_of, say

  if FLAGS.seeds:
    common.refuse_beside('seeds', ('seed', 'count'))
  sample.check_out(FLAGS.out, FLAGS.format, FLAGS.overwrite, FLAGS.captions)
  seeds = plan.read_seeds(FLAGS.seeds) if FLAGS.seeds else FLAGS.seed
  model = opening.open_model(FLAGS.workdir, FLAGS.step)
  turn = classes.read_classes(FLAGS.classes, model.num_classes, model.class_names)
  asked = plan.plan(model, seeds, FLAGS.count, turn, FLAGS.truncation, FLAGS.every_class)
  sample.write_samples(
    asked, FLAGS.out, FLAGS.format, captions=FLAGS.captions, overwrite=FLAGS.overwrite
  )
  say(f'{FLAGS.out}: {number_of(len(asked.seeds), "image")} of {model}')
