"""Queues a command of launch.py on a Slurm cluster, again and again until it is done."""

import contextlib
import dataclasses
import io
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from gan_jax.errors import Preempted, UserError
from gan_jax.runtime import child, preemption
from gan_jax.text import say

_MISSING = '--executor=slurm: takes the package submitit; .venv/bin/pip install "submitit>=1.5,<2"'
_BEFORE_THE_LIMIT = 120  # seconds that a run has to save before its time is up
_LEAST_MINUTES = 10  # below, a run would be stopped before it has begun, again and again
_AGAIN = Preempted.exit_code
# A process that was told to stop before it could hear of it has nothing to save.
_STOPPED = {_AGAIN, *(-number for number in preemption.SIGNALS)}

_TIME = re.compile(r'(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?')
# What is said by flags of their own, or is ours to say.
_OTHER_FLAGS = {
  **{'nodes': '--nodes', 'ntasks-per-node': '--processes', 'gpus-per-node': '--devices'},
  **{'time': '--time', 'partition': '--partition', 'cpus-per-task': '--cpus'},
}
_OURS = {
  *('array', 'error', 'input', 'ntasks', 'open-mode', 'output', 'requeue', 'no-requeue', 'signal'),
  *('wrap', 'test-only', 'wait', 'parsable', 'quiet', 'help', 'usage', 'version', 'chdir'),
}


@dataclasses.dataclass(frozen=True)
class Job:
  """What a job asks Slurm for.

  Attributes:
    nodes: machines.
    processes: on each of them, which share its GPUs.
    devices: GPUs of each machine; 0 asks for none.
    cpus: cores of each process; 0 leaves them to the cluster.
    minutes: after which a start ends, and the job is queued again.
    partition: '' leaves it to the cluster.
    sbatch: further options of sbatch by their long names; True for those without a value.
  """

  nodes: int = 1
  processes: int = 1
  devices: int = 0
  cpus: int = 0
  minutes: int = 24 * 60
  partition: str = ''
  sbatch: dict[str, str | bool] = dataclasses.field(default_factory=dict)


class Task:
  """One task of a job: runs a command, and has the job queued again where it is not done.

  Slurm sends signals before a time limit, to make room for another job, and for whoever cancels.
  All of them are passed on, the command saves and leaves, with 75. What follows is asked of Slurm:
  a job that it has not ended itself, or queued again, is queued again from here.
  """

  def __init__(self, words: list[str]):
    """Takes the command of launch.py, with its arguments."""
    self._words = words

  def __call__(self) -> None:
    """Runs it, and leaves with its exit code where that is not 0."""
    process: subprocess.Popen[bytes] | None = None
    told = False

    def tell(number: int, frame: Any) -> None:
      nonlocal told
      told = True
      if process is not None:
        process.terminate()

    for number in preemption.SIGNALS:
      signal.signal(number, tell)
    words = child.command(os.getpid(), [], *self._words)
    process = subprocess.Popen(words, env=child.environment())
    if told:  # while it was being started
      process.terminate()
    code = process.wait()
    if code in _STOPPED:
      if os.environ.get('SLURM_PROCID', '0') == '0':
        _queue_again(_job_of(os.environ['SLURM_JOB_ID']))
      sys.exit(_AGAIN)
    if code:
      sys.exit(code if code > 0 else 128 - code)

  def checkpoint(self) -> Any:
    """What submitit has go on where a signal comes before the command has begun: the same."""
    from submitit.helpers import DelayedSubmission

    return DelayedSubmission(self)


def submit(words: list[str], folder: str, job: Job, tasks: int = 1) -> list[str]:
  """Queues a command of launch.py.

  Args:
    words: the command with its arguments, as its tasks run it where it was submitted.
    folder: where logs are kept, shared by the machines.
    job: what is asked for.
    tasks: of an array, each of which is such a job.

  Returns:
    The names of the jobs.

  Raises:
    UserError: where there is no submitit or no Slurm, or it takes no such option; nothing is left.
  """
  try:
    import submitit
  except ImportError:
    raise UserError(_MISSING) from None
  if '%' in os.path.abspath(folder):
    raise UserError(f"{folder}: Slurm writes no logs to a path with '%'; accepted: one without")
  try:
    with (
      _nothing_left_of_a_refusal(pathlib.Path(folder).absolute()) as place,
      contextlib.redirect_stderr(io.StringIO()),  # submitit prints what it then raises
    ):
      executor = submitit.AutoExecutor(folder=place, cluster='slurm')
      executor.update_parameters(**_parameters(words, job, tasks))
      with executor.batch():
        jobs = [executor.submit(Task(words)) for _ in range(tasks)]
  except RuntimeError as error:  # no srun, or what sbatch refuses
    raise UserError(f'--executor=slurm: {_in_a_line(error)}') from error
  return [each.job_id for each in jobs]


def log_of(folder: str, job: str) -> str:
  """The file that the first process of a job writes to."""
  return os.path.join(folder, f'{job}_0_log.out')


def minutes(text: str) -> int:
  """Minutes of a time as sbatch takes it: 90, 90:00, 12:00:00, 2-12, 2-12:00 or 2-12:00:00.

  Raises:
    UserError: for anything else, and for too little to get anywhere.
  """
  found = _TIME.fullmatch(text)
  days, *parts = (int(part) if part else None for part in found.groups()) if found else (0, None)
  given = [part for part in parts if part is not None]
  # Of two numbers the first are minutes, of three hours; after days the first are hours.
  units = (1440, 60, 1, 1 / 60)
  first = 1 if days is not None or len(given) == 3 else 2
  whole = (days or 0) * 1440 + sum(n * unit for n, unit in zip(given, units[first:], strict=False))
  if not found or whole < _LEAST_MINUTES:
    raise UserError(
      f'--time={text}: accepted: minutes or [DAYS-]HOURS:MINUTES:SECONDS, from {_LEAST_MINUTES} '
      f'minutes on; a run has the last {_BEFORE_THE_LIMIT} seconds to save'
    )
  return int(whole)


def options(text: str) -> dict[str, str | bool]:
  """Options of sbatch, by their long names, out of text such as `--account=lab --exclusive`.

  Raises:
    UserError: for what is written otherwise, or is said by another flag.
  """
  try:
    words = shlex.split(text)
  except ValueError as error:
    raise UserError(f'--sbatch={text}: {error}') from error
  found: dict[str, str | bool] = {}
  for word in words:
    name, equals, value = word.removeprefix('--').partition('=')
    if not re.fullmatch(r'--[a-z][a-z-]+(=.*)?', word):
      raise UserError(
        f"--sbatch: {word}: accepted: long options of sbatch, as in '--account=lab --mem=64G'"
      )
    if name in _OTHER_FLAGS:
      raise UserError(f'--sbatch: --{name}: {_OTHER_FLAGS[name]} says so')
    if name in _OURS:
      raise UserError(f'--sbatch: --{name}: is not to be set; logs and restarts stand on it')
    found[name] = value if equals else True
  return found


def _parameters(words: list[str], job: Job, tasks: int) -> dict[str, Any]:
  """Of submitit's executor."""
  # Since Slurm 22.05 srun has to be told again.
  cores = [f'--cpus-per-task={job.cpus}'] if job.cpus else []
  path = shlex.quote(child.environment()['PYTHONPATH'])
  return {
    'name': f'gan_jax {words[0]}',
    'timeout_min': job.minutes,
    'nodes': job.nodes,
    'tasks_per_node': job.processes,
    'gpus_per_node': job.devices or None,
    'cpus_per_task': job.cpus or None,
    'stderr_to_stdout': True,
    'slurm_partition': job.partition or None,
    'slurm_array_parallelism': tasks,
    'slurm_signal_delay_s': _BEFORE_THE_LIMIT,
    'slurm_setup': [f'export PYTHONPATH={path}'],
    'slurm_srun_args': ['--open-mode=append', *cores],
    'slurm_additional_parameters': {'requeue': True, **job.sbatch},
  }


@contextlib.contextmanager
def _nothing_left_of_a_refusal(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Where what is done in a folder fails, files and folders made meanwhile are removed."""
  made = [each for each in (folder, *folder.parents) if not each.exists()]
  before = set(folder.iterdir()) if folder.exists() else set()
  try:
    yield folder
  except Exception:
    with contextlib.suppress(OSError):
      for path in set(folder.iterdir()) - before:
        path.unlink()
      for path in made:
        path.rmdir()
    raise


def _in_a_line(error: Exception) -> str:
  """What a failed submission says; of sbatch's, its own words."""
  said = re.findall(r'sbatch: (?:error: )?(.*)', str(error))
  return f'sbatch: {said[0]}' if said else ' '.join(str(error).split())


def _job_of(number: str) -> str:
  """The name of this job: of a task of an array, not the number, which may be the array's."""
  array, task = (os.environ.get(f'SLURM_ARRAY_{each}_ID') for each in ('JOB', 'TASK'))
  return f'{array}_{task}' if array and task else number


def _queue_again(job: str) -> None:
  """Has Slurm queue this job again, unless it has already decided what becomes of it."""
  shown = subprocess.run(
    ['scontrol', 'show', 'job', '--oneliner', job], capture_output=True, text=True, check=False
  )
  if 'JobState=RUNNING' not in shown.stdout:
    return
  done = subprocess.run(['scontrol', 'requeue', job], capture_output=True, text=True, check=False)
  if done.returncode == 0:
    say(f'job {job} is queued again')
  else:
    say(f'! job {job} is not queued again: {" ".join(done.stderr.split())}')
