"""Who works on a run: several processes, on one machine or several, never two on the same run.

On a folder that machines share there are no locks to rely on. A lease is a file that only one
process can create, numbered: whoever finds the newest one given up, or its holder gone, creates the
next number, which again only one of them can. A holder writes a new beat into its lease every few
seconds, and lets go where it finds a newer lease than its own.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import threading
import time
from typing import Any

from gan_jax.ablation.root import Root
from gan_jax.workdir import files

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0  # without a beat, after which the holder counts as gone
_NUMBERED = re.compile(r'.*\.(\d{6})\.json')


class Lease:
  """A run that this process works on.

  Attributes:
    lost: set where another process has taken the run over.
  """

  def __init__(self, root: Root, key: str, number: int):
    self._path, self._next = root.lease(key, number), root.lease(key, number + 1)
    self._about = {**whoami(), 'beat': 0}
    self.lost = threading.Event()
    self._ended = threading.Event()
    self._beats = threading.Thread(target=self._beat, daemon=True)
    self._beats.start()

  def release(self) -> None:
    """Gives the run up; another process may take it at once."""
    self._ended.set()
    self._beats.join()
    if not os.path.exists(self._next):
      files.write_json(self._path, {**self._about, 'released': True})

  def _beat(self) -> None:
    while not self._ended.wait(BEAT_SECONDS):
      if os.path.exists(self._next):
        self.lost.set()
        return
      self._about['beat'] += 1
      # What cannot be written for a while is no beat, and others may take the run over.
      with contextlib.suppress(OSError):
        files.write_json(self._path, self._about)


class Leases:
  """Takes leases, and knows which of those of others are alive.

  Clocks of machines differ: a lease is stale once this process has seen the same beat for so long.
  """

  def __init__(self, root: Root, stale_seconds: float = STALE_SECONDS):
    self._root, self._stale_seconds = root, stale_seconds
    self._seen: dict[str, tuple[Any, float]] = {}

  def take(self, key: str) -> Lease | None:
    """The run, for this process; None where another one has it."""
    number, alive = self._newest(key)
    if alive:
      return None
    path = self._root.lease(key, number + 1)
    try:
      with open(path, 'x', encoding='utf-8') as file:
        json.dump({**whoami(), 'beat': 0}, file)
    except FileExistsError:
      return None
    return Lease(self._root, key, number + 1)

  def held(self, key: str) -> bool:
    """Whether a process works on the run."""
    return self._newest(key)[1]

  def _newest(self, key: str) -> tuple[int, bool]:
    """Number of the newest lease of a run, 0 for none, and whether its holder is at work."""
    folder = pathlib.Path(self._root.lease(key, 0)).parent
    names = (_NUMBERED.fullmatch(path.name) for path in folder.glob(f'{key}.*.json'))
    number = max((int(found[1]) for found in names if found), default=0)
    return number, number > 0 and self._alive(self._root.lease(key, number))

  def _alive(self, path: str) -> bool:
    try:
      with open(path, encoding='utf-8') as file:
        about = json.load(file)
    except (OSError, ValueError):
      about = {'beat': 'in the making'}
    if about.get('released'):
      return False
    mine = whoami()
    if about.get('host') == mine['host']:
      return _started(about['pid']) == about['started']
    beat, since = self._seen.setdefault(path, (about['beat'], time.monotonic()))
    if beat != about['beat']:
      self._seen[path] = about['beat'], time.monotonic()
      return True
    return time.monotonic() - since < self._stale_seconds


def whoami() -> dict[str, Any]:
  """This process, told apart from any other on any machine."""
  return {'host': _host(), 'pid': os.getpid(), 'started': _started(os.getpid())}


def _host() -> str:
  boot = ''
  with contextlib.suppress(OSError):
    boot = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
  return f'{socket.gethostname()} {boot}'.strip()


def _started(pid: int) -> str | None:
  """When a process of this machine began, in its own units; None where there is none."""
  try:
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except OSError:
    return None if os.path.isdir('/proc/self') or not _signals(pid) else ''
  return stat.rpartition(')')[2].split()[19]


def _signals(pid: int) -> bool:
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    return True
  return True
