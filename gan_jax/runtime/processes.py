"""Several processes of one command: whether there are, and starting them on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence

from gan_jax.errors import Preempted, UserError
from gan_jax.runtime import gpus, preemption

_GRACE_SECONDS = 60.0  # that the others have once one has ended in an error
_COUNTS = 'JAX_NUM_PROCESSES', 'SLURM_STEP_NUM_TASKS', 'OMPI_COMM_WORLD_SIZE'
_TPU_HOSTS = 'TPU_WORKER_HOSTNAMES'

ALONE = dict.fromkeys(_COUNTS, '')
"""Variables of a process that trains alone, whatever started the one that starts it."""


def asked_for(environment: Mapping[str, str]) -> bool:
  """Whether whoever started this process started others beside it, by what it left in variables."""
  return (
    any(environment.get(name, '') not in ('', '1') for name in _COUNTS)
    or len(environment.get(_TPU_HOSTS, '').split(',')) > 1
  )


def run(command: Sequence[str], count: int) -> int:
  """Runs a command so many times, as the processes of one program, to the end of all.

  Signals go on to all of them. The GPUs that this process sees are dealt out.

  Args:
    command: program and arguments.
    count: processes.

  Returns:
    0 where all end well, 75 where one was asked to stop, else the code of the first that did not
    end well, 128 + the signal of one killed.

  Raises:
    UserError: where there are fewer GPUs than processes.
  """
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  shared = {'JAX_COORDINATOR_ADDRESS': f'localhost:{port}', 'JAX_NUM_PROCESSES': str(count)}
  own = [{'JAX_PROCESS_ID': str(k), **dealt} for k, dealt in enumerate(_dealt(count))]
  children = [subprocess.Popen(command, env={**os.environ, **shared, **each}) for each in own]
  previous = {
    number: signal.signal(number, lambda got, frame: _tell(children, got))
    for number in preemption.SIGNALS
  }
  try:
    return _code(_first_failure(children))
  finally:
    _tell(children, signal.SIGKILL)
    for number, handler in previous.items():
      signal.signal(number, handler)


def without_flags(arguments: Sequence[str], names: Collection[str]) -> list[str]:
  """A command line without flags that take a value, however they are written."""
  rest: list[str] = []
  value_follows = False
  for each in arguments:
    flag = each.startswith('-') and each.lstrip('-')
    if not value_follows and not (flag and flag.split('=')[0] in names):
      rest.append(each)
    value_follows = not value_follows and flag in names
  return rest


def _first_failure(children: list[subprocess.Popen[bytes]]) -> int:
  """Waits for all; for those left over when one has failed, not for ever."""
  failed, until = 0, float('inf')
  while any(child.poll() is None for child in children):
    codes = [code for child in children if (code := child.poll())]
    if codes and not failed:
      failed, until = codes[0], time.monotonic() + _GRACE_SECONDS
    if time.monotonic() > until:
      print('launch.py: a process went on after another had ended: killed', file=sys.stderr)
      _tell(children, signal.SIGKILL)
      until = float('inf')
    time.sleep(0.05)
  codes = [child.returncode for child in children]
  # Whatever the others saw of it.
  if Preempted.exit_code in codes:
    return Preempted.exit_code
  return failed or next(filter(None, codes), 0)


def _tell(children: list[subprocess.Popen[bytes]], number: int) -> None:
  for child in children:
    if child.poll() is None:
      child.send_signal(number)


def _code(returned: int) -> int:
  return 128 - returned if returned < 0 else returned


def _dealt(count: int) -> list[dict[str, str]]:
  """What each process sees of the GPUs that this one sees."""
  seen = gpus.visible(os.environ)
  if not seen:
    return [{} for _ in range(count)]
  if len(seen) < count:
    found = f'{gpus.VISIBLE} names' if gpus.VISIBLE in os.environ else 'GPUs here:'
    raise UserError(
      f'--processes={count}: {found} {len(seen)}; accepted: no more processes than GPUs'
    )
  share = len(seen) // count
  return [{gpus.VISIBLE: ','.join(seen[k * share : (k + 1) * share])} for k in range(count)]
