"""Starts a command of launch.py as the child of a process that may die, on some of the cores.

python -m gan_jax.ablation.child PARENT CORES COMMAND… becomes `launch.py COMMAND…`. It is asked to
stop, and saves, when the process PARENT is gone: a run goes on in one place alone.
"""

import ctypes
import os
import pathlib
import signal
import sys

_PR_SET_PDEATHSIG = 1


def command(parent: int, cores: list[int], *words: str) -> list[str]:
  """The words that start a command of launch.py as a child; no cores: all."""
  listed = ','.join(map(str, cores)) or '-'
  return [sys.executable, '-m', 'gan_jax.ablation.child', str(parent), listed, *words]


def main(parent: int, cores: str, words: list[str]) -> None:
  """Becomes the command."""
  if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # gone before it was asked for
      sys.exit(75)
    if cores != '-':
      os.sched_setaffinity(0, {int(core) for core in cores.split(',')})
  launch = str(pathlib.Path(__file__).parent.parent.parent / 'launch.py')
  os.execv(sys.executable, [sys.executable, launch, *words])


if __name__ == '__main__':
  main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
