"""The GPUs that a process sees, and which of them are its own."""

import os
import re
from collections.abc import Mapping

VISIBLE = 'CUDA_VISIBLE_DEVICES'
_DRIVER = '/proc/driver/nvidia/gpus'


def visible(environment: Mapping[str, str]) -> list[str]:
  """Names of the GPUs that JAX would take; none where it is told to take something else."""
  platforms = environment.get('JAX_PLATFORMS', '')
  if platforms and not {'cuda', 'gpu'} & set(platforms.split(',')):
    return []
  chosen = environment.get(VISIBLE)
  if chosen is not None:
    return [each for each in chosen.split(',') if each]
  try:
    return [str(number) for number, _ in enumerate(os.listdir(_DRIVER))]
  except OSError:
    return []


def own(environment: Mapping[str, str]) -> list[int] | None:
  """Which of the visible GPUs are this process's: a share of them, or all where it alone sees them.

  Slurm and Open MPI say how many processes there are on this machine; JAX by itself gives each of
  them one GPU, however many there are.

  Returns:
    Places in `visible`; None where there are none, or nobody says which process this is.
  """
  seen, place = len(visible(environment)), _place_on_this_machine(environment)
  if not seen or place is None:
    return None
  number, processes = place
  bound = 'SLURM_GPUS_PER_TASK' in environment or seen < processes
  share = seen if bound else seen // processes
  first = 0 if bound else number * share
  return list(range(first, first + share))


def _place_on_this_machine(environment: Mapping[str, str]) -> tuple[int, int] | None:
  """Which of how many processes on this machine this one is, by what started them."""
  try:
    if 'SLURM_STEP_TASKS_PER_NODE' in environment:
      counts = _unfolded(environment['SLURM_STEP_TASKS_PER_NODE'])
      return int(environment['SLURM_LOCALID']), counts[int(environment['SLURM_NODEID'])]
    names = 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_LOCAL_SIZE'
    number, processes = (int(environment[name]) for name in names)
    return number, processes
  except (KeyError, ValueError, IndexError):
    return None


def _unfolded(counts: str) -> list[int]:
  """Slurm's `2(x3),1` as [2, 2, 2, 1]."""
  found: list[int] = []
  for count, times in re.findall(r'(\d+)(?:\(x(\d+)\))?', counts):
    found += [int(count)] * int(times or 1)
  return found
