"""`launch.py reproduce`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Make a recorded run again in a new place, and compare.'
EXAMPLE = 'launch.py reproduce runs/digits --out=runs/digits_again'
POSITIONAL = 'workdir'


def define() -> None:
  """Defines the flags."""
  common.define_path('workdir', None, 'Folder of the run.', required=True)
  common.define_path('out', None, 'Folder of the new run; default: that of the run, and _again.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
    NotDoneError: where a score is outside its interval of then.
  """
  from gan_jax import reproduce
  from gan_jax.errors import NotDoneError
  from gan_jax.text import number_of, say

  reproduce.take_cores_of(FLAGS.workdir)
  out = FLAGS.out or FLAGS.workdir.rstrip('/') + '_again'
  found = reproduce.reproduce(FLAGS.workdir, out)
  for text in found.changed:
    say(f'! not as then: {text}')
  if found.same_bits:
    weights = ', weights' if found.state else ''
    say(f'same bits: {number_of(found.lines, "line")} of the record{weights} and sample grids')
    return
  if found.first_difference is not None:
    say(f'the records differ from step {found.first_difference} on')
  for score in found.scores:
    side = 'inside' if score.within else 'OUTSIDE'
    say(
      f'  {score.name}: {score.then:.4g} [{score.low:.4g}, {score.high:.4g}] then, '
      f'{score.now:.4g} now: {side} the interval'
    )
  say(
    f'the versions of then: {out}/{reproduce.REQUIREMENTS}; all of this: {out}/{reproduce.RESULT}'
  )
  if not found.within:
    raise NotDoneError('not reproduced: a score is outside its interval of then')
