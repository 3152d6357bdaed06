"""Starts a command of launch.py as the child of a process that may die, on some of the cores.

python -m gan_jax.runtime.child PARENT CORES COMMAND… becomes `launch.py COMMAND…`. It is asked to
stop, and saves, when the process PARENT is gone: a run goes on in one place alone.
"""

import ctypes
import os
import pathlib
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CHECKOUT = pathlib.Path(__file__).parent.parent.parent


def command(parent: int, cores: list[int], *words: str) -> list[str]:
  """The words that start a command of launch.py as a child; no cores: all."""
  listed = ','.join(map(str, cores)) or '-'
  return [sys.executable, '-m', 'gan_jax.runtime.child', str(parent), listed, *words]


def recorded(folder: str) -> str:
  """The flag that gives a command the config in a folder."""
  return f'--config={_CHECKOUT / "configs" / "recorded.py"}:{folder}'


def environment() -> dict[str, str]:
  """Variables of a child: this process's, and where the package is found."""
  path = os.pathsep.join(filter(None, (str(_CHECKOUT), os.environ.get('PYTHONPATH'))))
  return {**os.environ, 'PYTHONPATH': path}


def last_line(said: str) -> str:
  """What a child said last, of all that it said."""
  lines = said.strip().splitlines()
  return lines[-1].removeprefix('launch.py: ') if lines else 'it said nothing'


def main(parent: int, cores: str, words: list[str]) -> None:
  """Becomes the command."""
  if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # gone before it was asked for
      sys.exit(75)
    if cores != '-':
      os.sched_setaffinity(0, {int(core) for core in cores.split(',')})
  os.execv(sys.executable, [sys.executable, str(_CHECKOUT / 'launch.py'), *words])


if __name__ == '__main__':
  main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
