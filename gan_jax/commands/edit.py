"""`launch.py edit`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
SEVERAL_HOSTS = True
TEXT = 'Find directions in the latents of a model, and move images along them.'
EXAMPLE = 'launch.py edit --workdir=runs/digits --by=components --out=directions'


def define() -> None:
  """Defines the flags."""
  common.define_path('workdir', None, 'Folder of the run.', required=True)
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  common.define_path(
    'out', None, 'Folder for sheet.png, directions.npz and, with --move, edited.npz and .png.',
    required=True,
  )  # fmt: skip
  flags.DEFINE_string(
    'by',
    'components',
    'How directions are found: components (of the first response), weights (in closed form), '
    'classes, attributes (that `prepare` kept).',
  )
  flags.DEFINE_integer('count', 8, 'Number of components or weights.')
  common.define_path('directions', '', 'Instead: directions.npz of before.')
  common.define_path('latents', '', 'What is moved, such as latents.npz of `project`.')
  flags.DEFINE_integer(
    'samples', 4, 'Default: so many samples; of --latents, so many of them on the sheet.'
  )
  flags.DEFINE_integer('seed', 0, 'Of the samples and of the draws that directions are found by.')
  flags.DEFINE_string('classes', '', 'Classes of the samples, in turn; default: all.')
  flags.DEFINE_list(
    'strengths', ['-4', '-2', '0', '2', '4'], 'Of the sheet, standard deviations of the latents.'
  )
  flags.DEFINE_list('move', [], 'DIRECTION:STRENGTH, such as component1:2,weight3:-1.')
  flags.DEFINE_string('layers', '', 'FIRST:END of the layers of w (stylegan2); default: all.')
  flags.DEFINE_string(
    'features', 'efficientnet_lite0', 'Network by whose features classes or attributes are told.'
  )
  common.define_path('data_dir', '', "Where the run's dataset is, if it was moved.")


def run() -> None:
  """Runs the command; of several hosts the first edits.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax.runtime import hosts

  hosts.on_first(_run)


def _run() -> None:
  from gan_jax import edit, opening, progress
  from gan_jax.evaluation import report
  from gan_jax.text import say

  if FLAGS.directions:
    common.refuse_beside('directions', ('by', 'count'))
  if FLAGS.latents:
    common.refuse_beside('latents', ('classes',))
  asked = edit.Asked(
    by=FLAGS.by,
    most=FLAGS.count,
    directions=FLAGS.directions,
    latents=FLAGS.latents,
    seed=FLAGS.seed,
    samples=FLAGS.samples,
    classes=FLAGS.classes,
    strengths=tuple(_number('strengths', text) for text in FLAGS.strengths),
    move=tuple(_move(text) for text in FLAGS.move),
    layers=FLAGS.layers,
    features=FLAGS.features,
    data_dir=FLAGS.data_dir,
  )
  edit.check(asked)
  model = opening.open_model(FLAGS.workdir, FLAGS.step)
  report.check(FLAGS.out)
  with progress.stages('images') as watch:
    found = edit.edit(model, asked, watch)
  written = edit.write(found, FLAGS.out)
  for name, share in found.about.get('shares', {}).items():
    right = found.about.get('accuracies', {}).get(name)
    told = f', its predictor right on {right:.0%} of other images' if right is not None else ''
    say(f'{name}: {share:.1%}{told}' if share is not None else name)
  say('written: ' + ', '.join(written))


def _number(flag: str, text: str) -> float:
  try:
    return float(text)
  except ValueError as error:
    raise flags.IllegalFlagValueError(f'--{flag}={text}: accepted: numbers') from error


def _move(text: str) -> tuple[str, float]:
  """Reads DIRECTION:STRENGTH; a class may stand alone."""
  name, colon, strength = text.rpartition(':')
  return (name, _number('move', strength)) if colon else (text, 1.0)
