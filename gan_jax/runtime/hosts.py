"""Several processes that train together: what they agree upon, and how one that fails ends all.

One process a host is usual; several on one machine are the way to try it. Each runs the same steps
over the devices of all of them, so that all must decide alike: what one finds out by itself, from
its disk or its clock, is told to the others here.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from gan_jax import errors
from gan_jax.runtime import gpus, preemption
from gan_jax.runtime.tree import PyTree

T = TypeVar('T')

_STOPS = {kind.__name__: kind for kind in errors.STOPS}

_ADDRESS = 'JAX_COORDINATOR_ADDRESS'
_VARIABLES = _ADDRESS, 'JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'
_START_SECONDS = 300  # that the last may take to come after the first
_SILENT_SECONDS = 30  # after which a host that says nothing is taken for gone
_LEAVE_SECONDS = 60  # that the last may take to end after the first
_TOLD = 'told'  # of an exception: all hosts know of it


def join() -> None:
  """Joins the other processes, before any device is touched.

  Slurm, Open MPI and TPU pods say by themselves where they are; else the variables
  JAX_COORDINATOR_ADDRESS (`host:port` of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID do.

  Raises:
    UserError: where they cannot be reached, or the variables do not say enough.
  """
  given: dict[str, Any] = {'local_device_ids': gpus.own(os.environ)}
  if os.environ.get('JAX_NUM_PROCESSES'):
    number = lambda name: int(os.environ.get(name) or '')
    try:
      given = {
        'coordinator_address': os.environ[_ADDRESS],
        'num_processes': number('JAX_NUM_PROCESSES'),
        'process_id': number('JAX_PROCESS_ID'),
        # Whoever says all this says by other variables which GPUs are for which process.
        'cluster_detection_method': 'deactivate',
      }
    except (KeyError, ValueError) as error:
      found = ', '.join(f'{name}={os.environ.get(name, "")}' for name in _VARIABLES)
      raise errors.UserError(
        f'{found}: accepted: host:port of the first process, their number, and from 0 which this is'
      ) from error
  try:
    jax.distributed.initialize(
      **given,
      initialization_timeout=_START_SECONDS,
      heartbeat_timeout_seconds=_SILENT_SECONDS,
      shutdown_timeout_seconds=_LEAVE_SECONDS,
    )
  except (RuntimeError, ValueError) as error:
    raise errors.UserError(
      f'the other processes cannot be reached: {" ".join(str(error).split())[:200]}'
    ) from error


def leave(code: int, agreed: bool) -> NoReturn:
  """Ends this one of several processes, for a reason that all know of or it alone does.

  One that fails alone waits for nobody: its end is what the others notice.
  """
  sys.stdout.flush()
  sys.stderr.flush()
  if agreed:
    with contextlib.suppress(RuntimeError):
      jax.distributed.shutdown()
  os._exit(code)


def is_first() -> bool:
  """Whether this process is the one that writes what all of them know."""
  return jax.process_index() == 0


def together(work: Callable[[], T]) -> T:
  """Does what may be refused on one host alone; what one raises, all raise.

  Within it others of these functions may be called: a host that waits in one of them hears there of
  one that has given up.

  Raises:
    UserError, NonFiniteError, NotDoneError, Preempted: this host's, or of the first that has one,
      with its number.
    OSError: this host's; on the others it is a NotDoneError.
  """
  if jax.process_count() == 1:
    return work()
  found = _attempt(work)
  _exchange(None)
  return found


def in_turn(work: Callable[[], T]) -> T:
  """Does on the first host what may write files that are then found by the others, which follow."""
  first = together(lambda: [work()] if is_first() else [])
  return together(lambda: first[0] if first else work())


def on_first(work: Callable[[], T]) -> T:
  """What the first host finds, of JSON's types, on all; what it raises, all raise."""
  if jax.process_count() == 1:
    return work()
  return _exchange(_attempt(work) if is_first() else None)[0]


def each(found: Any) -> list[Any]:
  """What each host found, of JSON's types, in their order: the same list on all."""
  return [found] if jax.process_count() == 1 else _exchange(found)


def share(count: int) -> tuple[int, int]:
  """First and end of this host's part of `count` things; the parts, in order, are the whole."""
  host, hosts = jax.process_index(), jax.process_count()
  return count * host // hosts, count * (host + 1) // hosts


def joined(part: np.ndarray, count: int) -> np.ndarray:
  """Joins the hosts' shares, `[share, ...]` of `count` rows in all, on every host."""
  hosts = jax.process_count()
  if hosts == 1:
    return part
  longest = -(-count // hosts)  # a collective takes arrays of one shape
  filled = np.zeros((longest, *part.shape[1:]), part.dtype)
  filled[: len(part)] = part
  with preemption.held():
    _exchange(None)
    gathered = multihost_utils.process_allgather(filled)
  ends = [count * host // hosts for host in range(hosts + 1)]
  sizes = np.diff(ends)
  return np.concatenate([rows[:size] for rows, size in zip(gathered, sizes, strict=True)])


def of_first(tree: PyTree, shapes: Callable[[], PyTree]) -> PyTree:
  """Sends a tree of NumPy arrays from the first host to all, bit by bit.

  Args:
    tree: the first host's; not looked at on others.
    shapes: gives those of it, on all; not called where there is one host.
  """
  if jax.process_count() == 1:
    return tree

  def send(shape: Any, *leaf: Any) -> np.ndarray:
    # As bytes: a sum over hosts, which is how they are sent, would turn −0 into 0.
    mine = np.ascontiguousarray(leaf[0]) if leaf else np.zeros(shape.shape, shape.dtype)
    sent = multihost_utils.broadcast_one_to_all(mine.reshape(-1).view(np.uint8))
    return np.asarray(sent).view(shape.dtype).reshape(shape.shape)

  with preemption.held():
    _exchange(None)
    return jax.tree.map(send, shapes(), *([tree] if is_first() else []))


def _attempt(work: Callable[[], T]) -> T:
  """Does this host's part; tells the others where it raises what they do not know of."""
  try:
    return work()
  except (*errors.STOPS, OSError) as error:
    if not getattr(error, _TOLD, False):
      _exchange(None, error)
    raise


def _exchange(value: Any, error: BaseException | None = None) -> list[Any]:
  """What each host has to say, in their order; raises what stops one of them on all others."""
  stop = None if error is None else [type(error).__name__, str(error)]
  said = np.frombuffer(json.dumps([value, stop]).encode(), np.uint8)
  with preemption.held():
    lengths = multihost_utils.process_allgather(np.array([len(said)], np.int32)).reshape(-1)
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(said)] = said
    rows = multihost_utils.process_allgather(padded)
  everyone = [json.loads(row[:n].tobytes()) for row, n in zip(rows, lengths, strict=True)]
  if error is not None:
    setattr(error, _TOLD, True)
    raise error
  for host, (_, stopped) in enumerate(everyone):
    if stopped is not None:
      kind, text = stopped
      heard = _STOPS.get(kind, errors.NotDoneError)(f'host {host}: {text}')
      setattr(heard, _TOLD, True)
      raise heard
  return [each for each, _ in everyone]
