"""What is kept between runs in the user's cache folder: compiled programs, feature networks."""

import contextlib
import functools
import logging
import math
import os
import pathlib
import shutil
import tempfile
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from gan_jax.runtime import left_over

_NAMES = '.names'  # the array that says which others there are

# Of JAX's own cache, which has no bound: some hundred small programs are one run's.
_KEPT_PROGRAMS = 4000
_KEPT_PROGRAMS_BYTES = 2 << 30


def directory(name: str) -> pathlib.Path:
  """`$XDG_CACHE_HOME/gan_jax/<name>`; it need not be there.

  `~/.cache` where that is not set, or is no folder of this machine but an address, `gs://…`; where
  there is no home, a folder of the user's among temporary files.
  """
  root = os.environ.get('XDG_CACHE_HOME', '')
  if not root or '://' in root:
    home = os.path.expanduser('~')
    if home == '~':
      home = os.path.join(tempfile.gettempdir(), f'gan_jax-{os.geteuid()}')
    root = os.path.join(home, '.cache')
  return pathlib.Path(root) / 'gan_jax' / name


def enable_compilation_cache() -> None:
  """Keeps compiled programs between runs, unless JAX has been told of a folder already.

  Where the folder cannot be made, or is not the user's alone, nothing is kept.
  """
  given = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
  if given is None:
    folder = directory('xla')
    try:
      folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
      _warn(folder, error)
      return
  elif '://' in given:
    return  # not of this machine: who may write there is not for it to say
  else:
    folder = pathlib.Path(given)
  if stranger := _of_others(folder):
    # What is loaded from there is run: JAX's own programs as well as those kept beside them.
    tell_once(f'{stranger}; compiled programs are neither read from {folder} nor kept there')
    jax.config.update('jax_compilation_cache_dir', None)
    compilation_cache.reset_cache()
    return
  if given is None:
    jax.config.update('jax_compilation_cache_dir', str(folder))
    keep_newest(folder, '-cache', _KEPT_PROGRAMS, _KEPT_PROGRAMS_BYTES)
  # Every program, however small: start-up is made of many that compile in a fraction of a second.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


def foreign(path: str | pathlib.Path, file: os.stat_result, folder: os.stat_result) -> str:
  """Says where another user owns a file or its folder, or may write to one; '' where none does.

  Args:
    path: of the file, for the message.
    file: about it.
    folder: about the one that it is in, which others may write to only if they may enter it.
  """
  me = os.geteuid()
  if folder.st_uid != me or folder.st_mode & 0o022:
    return f'{pathlib.Path(path).parent}: another user owns it or may write to it'
  if file.st_uid != me or file.st_mode & (folder.st_mode & 0o011) << 1:
    return f'{path}: another user owns it or may write to it'
  return ''


def _of_others(folder: pathlib.Path) -> str:
  """What in a folder another user may have put there; '' for nothing."""
  try:
    about = folder.stat()
    if found := foreign(folder / '-', about, about):
      return found
    for entry in os.scandir(folder):
      with contextlib.suppress(FileNotFoundError):  # removed by another process, meanwhile
        if found := foreign(entry.path, entry.stat(), about):
          return found
  except OSError:  # not there yet, or closed to this user: nothing is read from it
    pass
  return ''


@functools.cache
def tell_once(text: str) -> None:
  """Logs a warning, the first time that it comes."""
  logging.getLogger(__name__).warning('! %s', text)


def save_arrays(path: pathlib.Path, arrays: dict[str, Any]) -> None:
  """Writes arrays as .npz; a reader sees the old file or the new one, never a part.

  Where it cannot be written, as on a full disk, that is logged and nothing is kept.
  """
  named: dict[str, Any] = arrays | {_NAMES: np.array(list(arrays))}
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, suffix='.tmp') as folder:
      part = os.path.join(folder, 'arrays.npz')
      np.savez(part, **named)
      os.replace(part, path)
  except OSError as error:
    _warn(path, error)


def load_arrays(path: pathlib.Path) -> dict[str, np.ndarray] | None:
  """Reads what `save_arrays` wrote; None where the file is missing or not whole."""
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = dict(file)
    return arrays if arrays.pop(_NAMES).tolist() == list(arrays) else None
  except Exception:  # a damaged archive raises whatever its bytes happen to run into
    return None


def _warn(path: pathlib.Path, error: OSError) -> None:
  found = error.strerror or type(error).__name__
  logging.getLogger(__name__).warning('%s: %s; not kept for the next time', path, found)


def keep_newest(
  folder: pathlib.Path, suffix: str, count: int, total_bytes: float = math.inf
) -> None:
  """Removes all files of a suffix but those last written or touched; the newest stays whatever.

  What killed processes left half made goes, too.

  Args:
    folder: where they are.
    suffix: of their names.
    count: files that may stay.
    total_bytes: that these may take together.
  """
  for path in left_over.paths(folder):
    with contextlib.suppress(OSError):
      shutil.rmtree(path) if path.is_dir() else path.unlink()
  files = []
  for path in folder.glob(f'*{suffix}'):
    with contextlib.suppress(OSError):  # removed by another process, meanwhile
      stat = path.stat()
      files.append((stat.st_mtime, stat.st_size, path))
  files.sort(reverse=True)
  taken = 0
  for place, (_, size, path) in enumerate(files):
    taken += size
    if place > 0 and (place >= count or taken > total_bytes):
      with contextlib.suppress(OSError):
        path.unlink()
