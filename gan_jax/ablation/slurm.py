"""Runs a plan on a Slurm cluster: an array of tasks, each a process that divides the runs."""

import os
import shlex
import signal
import subprocess
from types import FrameType
from typing import Any

from gan_jax.ablation import child
from gan_jax.errors import UserError

_MISSING = '--executor=slurm: takes the package submitit; .venv/bin/pip install "submitit>=1.5,<2"'


class Task:
  """One task of the array: works until the plan is done, and is queued again when preempted."""

  def __init__(self, arguments: list[str]):
    """Takes the arguments of the `launch.py ablate` that each task runs."""
    self._arguments = arguments

  def __call__(self) -> int:
    """Runs it; it is asked to save and leave where this task is, or is gone."""
    words = child.command(os.getpid(), [], 'ablate', *self._arguments)
    process = subprocess.Popen(words, env=child.environment())

    def pass_on(number: int, frame: FrameType | None) -> None:
      del number, frame
      process.terminate()

    signal.signal(signal.SIGTERM, pass_on)
    code = process.wait()
    if code not in (0, 75):
      raise RuntimeError(f'launch.py ablate {shlex.join(self._arguments)}: exit code {code}')
    return code

  def checkpoint(self) -> Any:
    """What submitit queues in its place when it is preempted: the same, which goes on."""
    from submitit.helpers import DelayedSubmission

    return DelayedSubmission(self)


def submit(arguments: list[str], folder: str, tasks: int, parameters: dict[str, Any]) -> list[str]:
  """Queues an array of tasks; returns the names of its jobs.

  Args:
    arguments: of the `ablate` of each task, without the executor.
    folder: where submitit keeps its logs, shared by the machines.
    tasks: of the array, at most as many as there are runs.
    parameters: of submitit's executor, such as `timeout_min` and `slurm_partition`.

  Raises:
    UserError: where there is no submitit or no Slurm, or it takes no such parameter.
  """
  try:
    import submitit
  except ImportError:
    raise UserError(_MISSING) from None
  try:
    executor = submitit.AutoExecutor(folder=os.path.abspath(folder), cluster='slurm')
    executor.update_parameters(
      name='gan_jax', slurm_array_parallelism=tasks, **{'timeout_min': 24 * 60, **parameters}
    )
    with executor.batch():
      jobs = [executor.submit(Task(arguments)) for _ in range(tasks)]
  except (RuntimeError, NameError, TypeError, AssertionError, ValueError) as error:
    raise UserError(f'--executor=slurm: {" ".join(str(error).split())}') from error
  except submitit.core.utils.FailedJobError as error:
    raise UserError(f'--executor=slurm: sbatch: {" ".join(str(error).split())}') from error
  return [job.job_id for job in jobs]
