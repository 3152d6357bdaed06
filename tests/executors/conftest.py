"""A Slurm of this machine alone: its own configuration, keys, ports and folders."""

import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import time

import pytest

from tests import command_line

DAEMONS = 'munged', 'slurmctld', 'slurmd'
PROGRAMS = *DAEMONS, 'setpriv', 'sbatch', 'srun', 'scontrol', 'squeue', 'scancel', 'sinfo'
PATH = os.pathsep.join((os.environ['PATH'], '/usr/sbin', '/sbin'))
MUNGE = 'key-file', 'socket', 'pid-file', 'log-file', 'seed-file'

# Two partitions on one node of two cores: a job of `high` makes room for itself in `low`.
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 Gres=gpu:2 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1
PartitionName=high Nodes={host} PriorityTier=2
"""
# Any two files of devices: they are never opened.
GRES = 'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n'


class Slurm:
  """Asks the cluster."""

  def __init__(self, environment):
    self._environment = environment

  def __call__(self, *words):
    """What a program of Slurm prints."""
    return subprocess.run(
      words, env=self._environment, capture_output=True, text=True, check=True
    ).stdout

  def shown(self, job, what):
    """A field of a job, such as JobState."""
    words = self('scontrol', 'show', 'job', '--oneliner', job).split()
    return dict(word.split('=', 1) for word in words if '=' in word)[what]

  def wait(self, job, state, seconds=180):
    """Waits until a job is in a state; fails where it comes to another end."""
    wait(
      lambda: self._came_to(job, state), seconds, lambda: f'{job}: {self.shown(job, "JobState")}'
    )

  def _came_to(self, job, state):
    found = self.shown(job, 'JobState')
    ends = {'FAILED', 'CANCELLED', 'COMPLETED', 'TIMEOUT', 'NODE_FAIL'} - {state}
    assert found not in ends, f'{job}: {found}'
    return found == state


def wait(reached, seconds, told=lambda: ''):
  """Waits until something is so."""
  deadline = time.monotonic() + seconds
  while not reached():
    assert time.monotonic() < deadline, f'not within {seconds} s: {told()}'
    time.sleep(0.2)


def free_ports(count):
  with contextlib.ExitStack() as held:
    sockets = [held.enter_context(socket.socket()) for _ in range(count)]
    for each in sockets:
      each.bind(('', 0))
    return [each.getsockname()[1] for each in sockets]


@pytest.fixture
def train():
  """Runs `launch.py train` here; its exit code and what it said."""
  return functools.partial(command_line.call, 'train')


@pytest.fixture(scope='module')
def real_slurm(tmp_path_factory):
  """Starts a Slurm, whose programs ask it and no other; ends it and all its jobs."""
  missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
  if missing:
    say = pytest.fail if os.environ.get('GAN_JAX_NEEDS_SLURM') else pytest.skip
    say(f'takes {", ".join(missing)} (Debian: slurm-wlm, munge)')
  folder = tmp_path_factory.mktemp('slurm')
  for name in ('munge', 'state', 'spool'):
    (folder / name).mkdir(mode=0o700)
  host, user = socket.gethostname().split('.')[0], pwd.getpwuid(os.getuid()).pw_name
  conf = folder / 'slurm.conf'
  conf.write_text(CONF.format(host=host, user=user, folder=folder, ports=free_ports(2)))
  (folder / 'gres.conf').write_text(GRES)
  (folder / 'munge' / 'key-file').write_bytes(os.urandom(1024))
  (folder / 'munge' / 'key-file').chmod(0o400)
  patch = pytest.MonkeyPatch()
  patch.setenv('SLURM_CONF', str(conf))
  patch.setenv('PATH', PATH)
  patch.setenv('JAX_NUM_CPU_DEVICES', '1')
  munge = [f'--{each}={folder}/munge/{each}' for each in MUNGE]
  slurm = Slurm(dict(os.environ))
  arguments = {'munged': ['--force', '--foreground', *munge]}
  with contextlib.ExitStack() as running, open(folder / 'said', 'wb') as said:
    running.callback(patch.undo)
    for name in DAEMONS:
      words = ['setpriv', '--pdeathsig=TERM', '--', name, *arguments.get(name, ['-D'])]
      process = subprocess.Popen(words, stdout=said, stderr=said)
      running.callback(process.wait)
      running.callback(process.terminate)
      if name == 'munged':
        wait((folder / 'munge' / 'socket').exists, 20, (folder / 'said').read_text)
    wait(lambda: is_idle(slurm), 60, (folder / 'said').read_text)
    yield slurm
    slurm('scancel', f'--user={user}')
    wait(lambda: not slurm('squeue', '--noheader'), 60)


def is_idle(slurm):
  with contextlib.suppress(subprocess.CalledProcessError):
    return set(slurm('sinfo', '--noheader', '--format=%T').split()) == {'idle'}
  return False
