"""Who is at work in a workdir: one training at a time, one writer of its record at a time."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator

from ml_collections import ConfigDict

from gan_jax.errors import UserError
from gan_jax.workdir.config_file import check_same_config

_TRAINING, _RECORD = '.lock', '.record.lock'

# Of this process: a lock of the file system does not hold a process off from itself.
_thread = threading.RLock()
_held: set[str] = set()


@contextlib.contextmanager
def claim(workdir: str, config: ConfigDict, allow_config_changes: bool) -> Iterator[None]:
  """Holds the workdir for this process, after checking that it holds no other run.

  What stops the process before anything is recorded leaves no trace of it.

  Raises:
    UserError: where another process trains in it, it cannot be written or read back, or it holds a
      run of another config and `allow_config_changes` is False; nothing in it is touched then.
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
      raise UserError(
        f'--workdir={workdir}: another process is training in it; wait for it or name another'
      ) from error
    try:
      yield
    finally:
      _leave_no_trace(workdir, made)


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
    if not made or set(os.listdir(workdir)) - {_TRAINING, _RECORD}:
      return
    for name in os.listdir(workdir):
      os.unlink(os.path.join(workdir, name))
    for path in made:
      os.rmdir(path)
