"""`launch.py report`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Make a page, a table or a picture of an ablation, or a page of a run.'
EXAMPLE = 'launch.py report --root=runs/ablations/losses --out=report.html'


def define() -> None:
  """Defines the flags."""
  common.define_path('root', None, 'Folder of an ablation.')
  flags.DEFINE_string('sweep', '', 'Name of the sweep, where the folder holds several.')
  flags.DEFINE_enum(
    'end',
    None,
    ['end', 'best', 'area'],
    'What of a run counts: its last score, its best checkpoint, chosen on one half of the samples '
    "and scored on the other, or the area under its curve; default: the sweep's own.",
  )
  common.define_path('workdir', None, 'Folder of a single run, in place of --root.')
  common.define_path(
    'out', 'report.html', 'File: .html for a page; of ablations also .csv, .md, .tex and .svg.'
  )


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import report
  from gan_jax.ablation import words
  from gan_jax.text import say

  if FLAGS.workdir is not None:
    common.refuse_beside('workdir', ('root', 'sweep', 'end'))
    report.of_run(FLAGS.workdir, FLAGS.out)
  elif FLAGS.root is not None:
    say(words.answer(report.of_sweep(FLAGS.root, FLAGS.sweep, FLAGS.out, FLAGS.end or '')))
  else:
    raise flags.IllegalFlagValueError('--root: name the folder of an ablation, or --workdir a run')
  say(f'report  {FLAGS.out}')
