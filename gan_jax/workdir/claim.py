"""Who is at work in a workdir: one training at a time, one writer of its record at a time.

A training holds a lock of the file system, which ends with its process, and a lease beside it: that
says who it is, and holds off those on other machines whom the lock does not reach.
"""

import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator

from ml_collections import ConfigDict

from gan_jax.errors import NotDoneError, UserError
from gan_jax.workdir.config_file import check_same_config
from gan_jax.workdir.files import remove_left_over
from gan_jax.workdir.lease import Lease, Leases

_TRAINING, _RECORD = '.lock', '.record.lock'
_HELD = (errno.EWOULDBLOCK, errno.EACCES)  # what a lock says that another process has
_TICK = 0.5  # seconds

_LOG = logging.getLogger(__name__)

# Of this process: a lock of the file system does not hold a process off from itself.
_thread = threading.RLock()
_held: set[str] = set()
_leases: dict[str, Lease] = {}  # by workdir


@contextlib.contextmanager
def claim(workdir: str, config: ConfigDict, allow_config_changes: bool) -> Iterator[None]:
  """Holds the workdir for this process, after checking that it holds no other run.

  What stops the process before anything is recorded leaves no trace of it.

  Raises:
    UserError: where another process trains in it, which is named, it cannot be written or read
      back, or it holds a run of another config and `allow_config_changes` is False; nothing in it
      is touched then.
  """
  if '[' in os.path.abspath(workdir):
    raise UserError(
      f"--workdir={workdir}: checkpoints cannot be read back from a path with '['; "
      'accepted: a path without'
    )
  if not allow_config_changes:
    check_same_config(workdir, config)
  made = _folders_to_make(workdir)
  try:
    os.makedirs(workdir, exist_ok=True)
    lock = open(os.path.join(workdir, _TRAINING), 'a', encoding='utf-8')  # noqa: SIM115 - held below
  except OSError as error:
    raise UserError(f'--workdir={workdir}: cannot be written: {error.strerror}') from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      if error.errno in _HELD:  # else a file system without locks: the lease alone decides
        holder = Leases(workdir).holder(_TRAINING)
        raise _in_use(workdir, '' if holder is None else f' ({holder.name})') from error
    lease = _leases[os.path.abspath(workdir)] = _lease(workdir)
    for folder in (workdir, os.path.join(workdir, 'samples')):
      remove_left_over(folder)
    try:
      yield
    finally:
      lease.release()
      _leave_no_trace(workdir, made)


def check_held(workdir: str) -> None:
  """Raises NotDoneError where another machine has taken a claimed workdir over.

  As after a long sleep, in which this process gave no sign of life.
  """
  lease = _leases.get(os.path.abspath(workdir))
  if lease is not None and lease.lost.is_set():
    raise NotDoneError(
      f'--workdir={workdir}: another process took it over while this one gave no sign of life; '
      'stopped, and nothing more is written'
    )


def is_claimed(workdir: str) -> bool:
  """Whether a process trains in the workdir."""
  try:
    with open(os.path.join(workdir, _TRAINING), encoding='utf-8') as lock:
      fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except FileNotFoundError:
    return False
  except OSError:
    return True
  return False


@contextlib.contextmanager
def writing(workdir: str) -> Iterator[None]:
  """Holds the record of a workdir while it is written; others who want to wait for it.

  Raises:
    OSError: where the workdir cannot be written.
  """
  path = os.path.join(os.path.abspath(workdir), _RECORD)
  with _thread:
    if path in _held:
      yield
      return
    with open(path, 'a', encoding='utf-8') as lock:
      fcntl.flock(lock, fcntl.LOCK_EX)
      _held.add(path)
      try:
        yield
      finally:
        _held.discard(path)


def _lease(workdir: str) -> Lease:
  """Takes the lease of a workdir; one of another machine is given time for a sign of life."""
  leases, told = Leases(workdir), False
  try:
    while (lease := leases.take(_TRAINING)) is None:
      holder = leases.holder(_TRAINING)
      if holder is not None and holder.certain:
        raise _in_use(workdir, f' ({holder.name})')
      if holder is not None and not told:
        told = True
        _LOG.warning(
          '! %s: %s has not given it back; waiting for a sign of life, a minute at most',
          *(workdir, holder.name),
        )
      time.sleep(_TICK)
  except OSError as error:
    raise UserError(f'--workdir={workdir}: cannot be written: {error.strerror}') from error
  return lease


def _in_use(workdir: str, holder: str) -> UserError:
  return UserError(
    f'--workdir={workdir}: another process is training in it{holder}; wait for it or name another'
  )


def _folders_to_make(workdir: str) -> list[str]:
  """The folders on the way to the workdir that are not there, innermost first."""
  missing, path = [], os.path.abspath(workdir)
  while not os.path.exists(path):
    missing.append(path)
    path = os.path.dirname(path)
  return missing


def _leave_no_trace(workdir: str, made: list[str]) -> None:
  """Removes the folders that this process made, where nothing but locks is in the workdir."""
  with contextlib.suppress(OSError):
    if not made or any(not name.startswith((_TRAINING, _RECORD)) for name in os.listdir(workdir)):
      return
    for name in os.listdir(workdir):
      os.unlink(os.path.join(workdir, name))
    for path in made:
      os.rmdir(path)
