"""`launch.py explore`: flags and what they ask for."""

import itertools

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Explore trained generators on a page of this machine.'
EXAMPLE = 'launch.py explore --workdir=runs/digits'


def define() -> None:
  """Defines the flags."""
  common.define_several_paths(
    'workdir',
    'Folder of a run; several, with commas between or the flag again, are compared.',
  )
  flags.DEFINE_integer('port', 0, 'Of this machine alone, to listen on; 0: any that is free.')


def run() -> None:
  """Runs the command, until it is stopped.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import explore
  from gan_jax.text import say

  openings = itertools.chain(['open this address:'], itertools.repeat('for another window:'))
  say('opening the model …')
  paths = list(dict.fromkeys(itertools.chain.from_iterable(FLAGS.workdir)))
  explore.explore(paths, FLAGS.port, lambda address: say(f'{next(openings)} {address}'))
