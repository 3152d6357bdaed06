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
  flags.DEFINE_integer('count', 100, 'Number of images.')
  flags.DEFINE_string('classes', '', 'Classes to draw, as 0,1,2 or cat,dog; default: all, in turn.')
  flags.DEFINE_integer('seed', 0, 'Of the latents: the same seed draws the same images.')
  flags.DEFINE_float(
    'truncation', 1.0, 'Factor on the latents: below 1, more typical images and less variety.'
  )
  common.define_path(
    'out', None, 'FILE.png for a grid; else a folder of <index>_<class>.png.', required=True
  )
  flags.DEFINE_bool('overwrite', False, 'Write into a folder that has something in it.')


def run() -> None:
  """Runs the command; of several hosts the first draws.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax.runtime import hosts

  hosts.on_first(_run)


def _run() -> None:
  from gan_jax import build, sample
  from gan_jax.text import say

  sample.check_out(FLAGS.out, FLAGS.overwrite)
  run = build.open_run(FLAGS.workdir, FLAGS.step)
  num_classes = run.generator.num_classes
  sample.write_samples(
    run.sampler(min(FLAGS.count, run.config.evaluate.batch_size)),
    run.variables,
    count=FLAGS.count,
    classes=sample.parse_classes(FLAGS.classes, num_classes, run.class_names),
    seed=FLAGS.seed,
    truncation=FLAGS.truncation,
    out=FLAGS.out,
    names=run.class_names if num_classes else (),
  )
  say(f'{FLAGS.count:,} images of step {run.step:,} ({run.images:,} images shown) in {FLAGS.out}')
