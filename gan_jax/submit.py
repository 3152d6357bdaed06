"""Hands a training over to a cluster, after checking here what can be checked before it starts."""

import os
import posixpath

from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.executors import jobset, slurm
from gan_jax.workdir import claim, config_file, files

_LOGS = 'slurm'  # in the workdir


def to_slurm(
  config: ConfigDict,
  workdir: str,
  words: list[str],
  job: slurm.Job,
  allow_config_changes: bool = False,
) -> tuple[str, str]:
  """Queues a training on Slurm.

  Args:
    config: of the run.
    workdir: of the run; its logs go there.
    words: the command of launch.py that trains it, as it is run where this one was.
    job: what is asked for.
    allow_config_changes: as `train.train` takes it.

  Returns:
    The name of the job, and the file of its log.

  Raises:
    UserError: for what cannot be trained or queued; nothing is left then.
  """
  build.check(config)
  _check_devices(config, job.nodes * (job.devices or job.processes))
  if job.devices % job.processes:
    shared = f'--devices={job.devices}, which they share'
    raise UserError(f'--processes={job.processes}: accepted: what divides {shared}')
  if not allow_config_changes:
    config_file.check_same_config(workdir, config)
  if claim.is_claimed(workdir):
    raise UserError(f'--workdir={workdir}: another process is training in it; name another')
  logs = os.path.join(workdir, _LOGS)
  (name,) = slurm.submit(words, logs, job)
  return name, slurm.log_of(logs, name)


def to_kubernetes(
  config: ConfigDict, workdir: str, words: list[str], pods: jobset.Pods, path: str
) -> str:
  """Writes the manifest of a training on Kubernetes.

  Args:
    config: of the run.
    workdir: of the run, on one of the pods' volumes.
    words: the command of launch.py that trains it, as it is run in the image.
    pods: what is asked for.
    path: of the manifest.

  Returns:
    The name of the JobSet, after the workdir's.

  Raises:
    UserError: for what cannot be trained or written.
  """
  build.check(config, elsewhere=True)
  _check_devices(config, pods.nodes * (pods.devices or 1))
  jobset.check(pods)
  if not any(_is_within(workdir, mounted) for mounted in pods.volumes):
    raise UserError(
      f'--workdir={workdir}: accepted: an absolute path below that of a --volume, as in '
      '--volume=CLAIM:/runs --workdir=/runs/NAME; elsewhere a run is lost with its pods'
    )
  if os.path.splitext(path)[1] not in ('.yaml', '.yml'):
    raise UserError(f'--manifest={path}: accepted: FILE.yaml')
  name = jobset.name_of(posixpath.basename(posixpath.normpath(workdir)))
  files.write_named(path, '--manifest', jobset.as_yaml(jobset.manifest(name, words, pods)))
  return name


def _check_devices(config: ConfigDict, devices: int) -> None:
  """Raises UserError where a batch cannot be divided by the devices that are asked for."""
  size = config.train.batch_size
  if size % devices:
    raise UserError(
      f'config.train.batch_size={size}: must be a multiple of the {devices} devices of all nodes'
    )


def _is_within(path: str, folder: str) -> bool:
  return posixpath.normpath(path).startswith(posixpath.normpath(folder).rstrip('/') + '/')
