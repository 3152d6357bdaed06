"""Who works on a thing in a folder: of several processes, on one machine or several, one at a time.

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
from typing import Any, NamedTuple

from gan_jax.workdir import files

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0  # without a beat, after which the holder counts as gone


class Holder(NamedTuple):
  """A process that holds a lease.

  Attributes:
    name: for a message: host, process, and since when.
    certain: it is a process of this machine that is there, or has given a beat meanwhile; else it
      may have gone without a word.
  """

  name: str
  certain: bool


class Lease:
  """A thing that this process works on.

  Attributes:
    lost: set where another process has taken it over.
  """

  def __init__(self, folder: str, key: str, number: int):
    self._folder, self._key, self._number = folder, key, number
    self._about = about_me(folder)
    self.lost = threading.Event()
    self._ended = threading.Event()
    self._beats = threading.Thread(target=self._beat, daemon=True)
    self._beats.start()

  def release(self) -> None:
    """Gives it up; another process may take it at once."""
    self._ended.set()
    self._beats.join()
    with contextlib.suppress(OSError):  # what cannot be changed goes stale with this process
      if newest(self._folder, self._key) == self._number:
        try:
          self._write({**self._about, 'released': True})
        except OSError:  # a full disk: to take away needs no room
          os.unlink(path_of(self._folder, self._key, self._number))

  def _beat(self) -> None:
    while not self._ended.wait(BEAT_SECONDS):
      # What cannot be read or written for a while is no beat, and others may take it over.
      with contextlib.suppress(OSError):
        if newest(self._folder, self._key) > self._number:
          self.lost.set()
          return
        self._about['beat'] += 1
        self._write(self._about)

  def _write(self, about: dict[str, Any]) -> None:
    files.write_json(path_of(self._folder, self._key, self._number), about)


class Leases:
  """Takes leases in a folder, and knows which of those of others are alive.

  Clocks of machines differ: a lease is stale once this process has seen the same beat for so long.
  """

  def __init__(self, folder: str, stale_seconds: float = STALE_SECONDS):
    self._folder, self._stale_seconds = folder, stale_seconds
    self._seen: dict[str, tuple[Any, float, bool]] = {}

  def take(self, key: str) -> Lease | None:
    """The thing of a name, for this process; None where another one has it.

    Raises:
      OSError: where the folder cannot be written.
    """
    number = newest(self._folder, key)
    if number and self._holder_of(path_of(self._folder, key, number)):
      return None
    try:
      with open(path_of(self._folder, key, number + 1), 'x', encoding='utf-8') as file:
        json.dump(about_me(self._folder), file)
    except FileExistsError:
      return None
    if newest(self._folder, key) > number + 1:  # it was given away more than once, meanwhile
      os.unlink(path_of(self._folder, key, number + 1))
      return None
    with contextlib.suppress(OSError):
      os.unlink(path_of(self._folder, key, number - 1))  # the one before tells who had it
    return Lease(self._folder, key, number + 1)

  def holder(self, key: str) -> Holder | None:
    """The process that works on it, if there is one."""
    number = newest(self._folder, key)
    return self._holder_of(path_of(self._folder, key, number)) if number else None

  def _holder_of(self, path: str) -> Holder | None:
    try:
      with open(path, encoding='utf-8') as file:
        about = json.load(file)
    except (OSError, ValueError):
      about = None
    if not isinstance(about, dict):
      about = {}  # in the making, or damaged
    # A folder that was copied, its leases with it, is nobody's.
    if about.get('released') or about.get('folder') not in (None, os.stat(self._folder).st_ino):
      return None
    name = f'host {str(about.get("host", "?")).split()[0]}, process {about.get("pid", "?")}'
    name += f', since {about["since"]}' if 'since' in about else ''
    if about.get('host') == _host():
      alive = _started(about.get('pid')) == about.get('started', '')
      return Holder(name, True) if alive else None
    now = time.monotonic()
    beat, since, beats = self._seen.setdefault(path, (about.get('beat'), now, False))
    if beat != about.get('beat'):
      since, beats = now, True
      self._seen[path] = about.get('beat'), since, beats
    return Holder(name, beats) if now - since < self._stale_seconds else None


def path_of(folder: str, key: str, number: int) -> str:
  """File of the `number`-th lease of a thing."""
  return os.path.join(folder, f'{key}.{number:06d}.json')


def newest(folder: str, key: str) -> int:
  """Number of the newest lease of a thing; 0 for none."""
  numbered = re.compile(re.escape(key) + r'\.(\d{6})\.json')
  names = (numbered.fullmatch(name) for name in os.listdir(folder))
  return max((int(found[1]) for found in names if found), default=0)


def about_me(folder: str) -> dict[str, Any]:
  """This process, told apart from any other on any machine, as holder of something in a folder."""
  pid = os.getpid()
  return {
    **{'host': _host(), 'pid': pid, 'started': _started(pid)},
    'since': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    'folder': os.stat(folder).st_ino,
    'beat': 0,
  }


def _host() -> str:
  """Machine, its start, and the room in which numbers of processes mean the same."""
  words = [socket.gethostname()]
  with contextlib.suppress(OSError):
    boot = pathlib.Path('/proc/sys/kernel/random/boot_id')
    words.append(boot.read_text(encoding='ascii').strip())
    words.append(os.readlink('/proc/self/ns/pid'))
  return ' '.join(words)


def _started(pid: Any) -> str | None:
  """When a process of this machine began, in its own units; None where there is none."""
  try:
    # The name of a program in it is bytes of any kind, and cut off wherever fifteen of them end.
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='utf-8', errors='replace')
  except OSError:
    return None if os.path.isdir('/proc/self') or not _signals(pid) else ''
  return stat.rpartition(')')[2].split()[19]


def _signals(pid: Any) -> bool:
  try:
    os.kill(int(pid), 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    return True
  return True
