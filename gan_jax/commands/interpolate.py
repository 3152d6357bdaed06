"""`launch.py interpolate`: flags and what they ask for."""

import re

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
SEVERAL_HOSTS = True
TEXT = 'Walk between samples: a film, or a table of mixed styles.'
EXAMPLE = 'launch.py interpolate --workdir=runs/digits --seeds=0-5 --classes=3 --out=walk.mp4'
_OF_A_WALK = ('seeds', 'latents', 'frames', 'fps', 'loop', 'easing', 'grid', 'space')
_OF_A_TABLE = ('rows', 'columns', 'layers', 'captions')


def define() -> None:
  """Defines the flags."""
  text = lambda name, default, help: flags.DEFINE_string(name, default, help)
  common.define_path('workdir', None, 'Folder of the run.', required=True)
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  common.define_path(
    'out', None, 'FILE.mp4, FILE.gif or FILE.webp; FILE.png for --style_mixing.', required=True
  )
  text('seeds', '', 'Keyframes: the first image of each seed, as 0-5,9.')
  text(
    'classes',
    '',
    'Of the keyframes, as 0,1 or cat,dog; with one seed, the walk goes from class to class; '
    'default: all in turn.',
  )
  common.define_path(
    'latents', '', 'Keyframes before those: w or z in an .npz, as a projection or sample writes it.'
  )
  flags.DEFINE_integer('frames', 30, 'From one keyframe to the next.')
  flags.DEFINE_float('fps', 30.0, 'Frames a second.')
  flags.DEFINE_bool('loop', True, 'Go back to the first keyframe, so that the ends meet.')
  text('easing', 'linear', 'linear; or sine, cubic: slower at keyframes.')
  text('grid', '1x1', 'COLUMNSxROWS of walks, among which the keyframes are divided in order.')
  text('space', None, 'z: along arcs; w: straight lines; default: w where the architecture has it.')
  flags.DEFINE_float('truncation', 1.0, 'As of sample.')
  flags.DEFINE_integer(
    'size',
    None,
    'Shorter side of each image, pixels, a multiple of its own: pixels are repeated; default: a '
    'film of 256 or more.',
  )
  flags.DEFINE_bool(
    'style_mixing', False, 'A table instead, of seeds --rows and --columns: some layers of each.'
  )
  text('rows', '', 'Seeds of the rows, as 0-3.')
  text('columns', '', 'Seeds of the columns.')
  text('layers', '', 'Layers that are of the column, as 0-3,6; default: the first half.')
  flags.DEFINE_bool('captions', False, 'Write the seeds under the images of the table.')


def run() -> None:
  """Runs the command; of several hosts the first draws.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax.runtime import hosts

  hosts.on_first(_table if FLAGS.style_mixing else _walk)


def _walk() -> None:
  from gan_jax import interpolate, opening
  from gan_jax.errors import UserError
  from gan_jax.sampling import film
  from gan_jax.sampling.plan import read_seeds
  from gan_jax.text import say

  for flag in _OF_A_TABLE:
    if FLAGS[flag].present:
      raise UserError(f'--{flag}: is part of --style_mixing')
  if not (FLAGS.seeds or FLAGS.latents):
    raise UserError('--seeds=0-5 or --latents=FILE.npz: name what the walk goes through')
  film.check(FLAGS.out, FLAGS.fps)
  grid = re.fullmatch(r'(\d{1,3})x(\d{1,3})', FLAGS.grid)
  if grid is None:
    raise UserError(f'--grid={FLAGS.grid}: accepted: COLUMNSxROWS, such as 3x2')
  seeds = read_seeds(FLAGS.seeds) if FLAGS.seeds else []
  model = opening.open_model(FLAGS.workdir, FLAGS.step)
  keys, told = interpolate.read_keyframes(
    model, seeds, FLAGS.classes, FLAGS.latents, FLAGS.space, FLAGS.truncation
  )
  shown = interpolate.Film(
    frames=FLAGS.frames,
    fps=FLAGS.fps,
    loop=FLAGS.loop,
    easing=FLAGS.easing,
    columns=int(grid[1]),
    rows=int(grid[2]),
    size=FLAGS.size,
  )
  frames = interpolate.write_walk(model, keys, FLAGS.out, shown, FLAGS.truncation, told)
  say(f'{FLAGS.out}: {frames:,} frames, {frames / FLAGS.fps:.1f} s, of {model}')


def _table() -> None:
  from gan_jax import interpolate, opening
  from gan_jax.errors import UserError
  from gan_jax.sampling.plan import read_seeds
  from gan_jax.text import say

  common.refuse_beside('style_mixing', _OF_A_WALK)
  if not (FLAGS.rows and FLAGS.columns):
    raise UserError('--style_mixing: needs --rows and --columns, seeds such as 0-3')
  rows, columns = read_seeds(FLAGS.rows), read_seeds(FLAGS.columns)
  model = opening.open_model(FLAGS.workdir, FLAGS.step)
  interpolate.write_mixing(
    model,
    rows,
    columns,
    FLAGS.out,
    layers=FLAGS.layers,
    classes=FLAGS.classes,
    truncation=FLAGS.truncation,
    size=FLAGS.size,
    captions=FLAGS.captions,
  )
  say(f'{FLAGS.out}: {len(rows)} × {len(columns)} images of {model}')
