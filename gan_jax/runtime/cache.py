"""What is kept between runs in the user's cache folder: compiled programs, feature networks."""

import contextlib
import logging
import math
import os
import pathlib
import shutil
import tempfile
import time
from typing import Any

import jax
import numpy as np

_NAMES = '.names'  # the array that says which others there are
_LEFT_OVER_SECONDS = 3600.0  # age at which a file in the making belongs to no process any more

# Of JAX's own cache, which has no bound: some hundred small programs are one run's.
_KEPT_PROGRAMS = 4000
_KEPT_PROGRAMS_BYTES = 2 << 30


def directory(name: str) -> pathlib.Path:
  """`$XDG_CACHE_HOME/gan_jax/<name>`; it need not be there.

  `~/.cache` where that is not set, or is no folder of this machine but an address, `gs://…`.
  """
  root = os.environ.get('XDG_CACHE_HOME', '')
  if not root or '://' in root:
    root = os.path.join(os.path.expanduser('~'), '.cache')
  return pathlib.Path(root) / 'gan_jax' / name


def enable_compilation_cache() -> None:
  """Keeps compiled programs between runs, unless JAX has been told of a folder already.

  Where the folder cannot be made, nothing is kept.
  """
  if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
    folder = directory('xla')
    try:
      folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
      _warn(folder, error)
      return
    jax.config.update('jax_compilation_cache_dir', str(folder))
    keep_newest(folder, '-cache', _KEPT_PROGRAMS, _KEPT_PROGRAMS_BYTES)
  # Every program, however small: start-up is made of many that compile in a fraction of a second.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


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
  for path in folder.glob('*.tmp'):
    with contextlib.suppress(OSError):
      if time.time() - path.stat().st_mtime > _LEFT_OVER_SECONDS:
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
