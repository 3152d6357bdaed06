"""`launch.py train`: flags and what they ask for."""

import os

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Train a GAN, or go on with a run that was stopped.'
EXAMPLE = 'launch.py train --config=configs/digits.py --workdir=runs/digits'
SEVERAL_HOSTS = True


def define() -> None:
  """Defines the flags."""
  common.define_config()
  common.define_path(
    'workdir', None, "Folder of the run's record; default: runs/<name of the config file>."
  )
  flags.DEFINE_bool(
    'allow_config_changes',
    False,
    'Continue the run in the workdir even if it began with other values or other data.',
  )
  common.define_processes()


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  name, config = common.config()
  if common.ran_as_processes():
    return
  from gan_jax import progress, train
  from gan_jax.runtime import hosts

  workdir = FLAGS.workdir or os.path.join('runs', name)
  scores = train.train(config, workdir, FLAGS.allow_config_changes)
  if hosts.is_first():
    progress.show_run(workdir, scores)
