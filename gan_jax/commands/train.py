"""`launch.py train`: flags and what they ask for."""

import os
import shlex

from absl import flags
from ml_collections import ConfigDict

from gan_jax.commands import common, executor

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
  flags.DEFINE_list(
    'track', [], 'Show it to wandb, trackio or both, too; nothing is sent anywhere otherwise.'
  )
  executor.define('slurm', 'k8s')
  executor.define_nodes()
  executor.define_pods()


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  name, config = common.config()
  executor.check('slurm', 'k8s')
  workdir = FLAGS.workdir or os.path.join('runs', name)
  if FLAGS.executor == 'slurm':
    _queue(config, workdir)
  elif FLAGS.executor == 'k8s':
    _write_manifest(config, workdir)
  elif FLAGS.processes > 1:
    common.run_as_processes(executor.words())
  else:
    _train(config, workdir)


def _train(config: ConfigDict, workdir: str) -> None:
  from gan_jax import progress, train
  from gan_jax.runtime import hosts

  scores = train.train(config, workdir, FLAGS.allow_config_changes, FLAGS.track)
  if hosts.is_first():
    progress.show_run(workdir, scores)


def _queue(config: ConfigDict, workdir: str) -> None:
  import jax

  jax.config.update('jax_platforms', 'cpu')  # the run's devices are elsewhere
  from gan_jax import submit
  from gan_jax.text import say

  words = ['train', *executor.words()]
  job, log = submit.to_slurm(config, workdir, words, executor.job(), FLAGS.allow_config_changes)
  say(f'queued   as job {job}')
  say(f'watch    {shlex.join(["tail", "-F", log])}')
  say(f'state    squeue --job={job}')
  say(f'cancel   scancel {job}')


def _write_manifest(config: ConfigDict, workdir: str) -> None:
  import jax

  jax.config.update('jax_platforms', 'cpu')
  from gan_jax import submit
  from gan_jax.text import say

  words, path = ['train', *executor.words()], FLAGS.manifest
  name = submit.to_kubernetes(config, workdir, words, executor.pods(), path)
  first = f'jobset.sigs.k8s.io/jobset-name={name},batch.kubernetes.io/job-completion-index=0'
  say(f'written  {path}')
  say(f'submit   {shlex.join(["kubectl", "apply", "-f", path])}')
  say(f'watch    kubectl logs --follow --selector={first}')
  say(f'state    kubectl get jobset {name}')
  say(f'cancel   kubectl delete jobset {name}')
