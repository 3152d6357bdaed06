"""Flags that say where a command runs: on this machine, on Slurm, on Kubernetes."""

from typing import TYPE_CHECKING

from absl import flags

from gan_jax.commands import common

if TYPE_CHECKING:
  from gan_jax.executors import jobset, slurm

FLAGS = flags.FLAGS

# Executors that a flag has a part in.
_PARTS = {
  'nodes': ('slurm', 'k8s'),
  'processes': ('local', 'slurm'),
  'devices': ('slurm', 'k8s'),
  'cpus': ('slurm', 'k8s'),
  'time': ('slurm',),
  'partition': ('slurm',),
  'sbatch': ('slurm',),
  'manifest': ('k8s',),
  'image': ('k8s',),
  'volume': ('k8s',),
  'tpu': ('k8s',),
}


def define(*executors: str) -> None:
  """Defines the flags that local runs and these executors have in common with each other."""
  flags.DEFINE_enum('executor', 'local', ['local', *executors], 'Where it runs.')
  flags.DEFINE_integer(
    'devices', 0, 'GPUs of each node; with --tpu, its chips. 0 asks for none.', lower_bound=0
  )
  flags.DEFINE_integer(
    'cpus', 0, "Cores of each process; 0 leaves them to the cluster's default.", lower_bound=0
  )
  flags.DEFINE_string(
    'time',
    '24:00:00',
    'Limit of a start, as sbatch takes it; a run that is not done by then is queued again.',
  )
  flags.DEFINE_string('partition', '', "Slurm's partition; default: the cluster's.")
  flags.DEFINE_string(
    'sbatch', '', "Further options of sbatch, as in --sbatch='--account=lab --mem=64G'."
  )


def define_nodes() -> None:
  """Defines the flags of what may run over several machines."""
  flags.DEFINE_integer('nodes', 1, 'Machines that train together.', lower_bound=1)
  common.define_processes('; with Slurm, on each node')


def define_pods() -> None:
  """Defines the flags of what may run on Kubernetes."""
  common.define_path('manifest', None, 'File of the JobSet that is written for kubectl: FILE.yaml.')
  flags.DEFINE_string(
    'image', None, 'Container image, with this checkout as its working directory.'
  )
  flags.DEFINE_list(
    'volume', [], 'Persistent volume claims and where they are mounted: runs:/runs,data:/data.'
  )
  flags.DEFINE_string(
    'tpu', None, "TPUs instead of GPUs, by GKE's name and topology: tpu-v6e-slice:4x4."
  )


def check(*known: str) -> None:
  """Refuses flags that have no part in where the command is to run, of these executors."""
  for name, executors in _PARTS.items():
    if name in FLAGS and FLAGS[name].present and FLAGS.executor not in executors:
      others = ' or '.join(f'--executor={each}' for each in executors if each in known)
      raise flags.IllegalFlagValueError(
        f'--{name}: has no part in --executor={FLAGS.executor}; accepted with {others}'
      )


def words() -> list[str]:
  """The command's arguments without those of the executor."""
  return common.words_without({'executor', *_PARTS})


def job() -> 'slurm.Job':
  """What the flags ask Slurm for."""
  from gan_jax.executors import slurm

  several = 'nodes' in FLAGS
  return slurm.Job(
    nodes=FLAGS.nodes if several else 1,
    processes=FLAGS.processes if several else 1,
    devices=FLAGS.devices,
    cpus=FLAGS.cpus,
    minutes=slurm.minutes(FLAGS.time),
    partition=FLAGS.partition,
    sbatch=slurm.options(FLAGS.sbatch),
  )


def pods() -> 'jobset.Pods':
  """What the flags ask Kubernetes for."""
  from gan_jax.executors import jobset

  for name, example in (('image', 'registry/gan_jax:1'), ('manifest', 'run.yaml')):
    if not FLAGS[name].value:
      raise flags.IllegalFlagValueError(f'--executor=k8s: needs --{name}, as in --{name}={example}')
  return jobset.Pods(
    image=FLAGS.image,
    nodes=FLAGS.nodes,
    devices=FLAGS.devices,
    cpus=FLAGS.cpus,
    tpu=jobset.tpu(FLAGS.tpu) if FLAGS.tpu else None,
    volumes=jobset.volumes(FLAGS.volume),
  )
