"""What is kept between runs in the user's cache folder: compiled programs, feature networks."""

import contextlib
import math
import os
import pathlib
import tempfile
import zipfile
from typing import Any

import jax
import numpy as np


def directory(name: str) -> str:
  """Makes and returns `$XDG_CACHE_HOME/gan_jax/<name>` (`~/.cache` where that is not set)."""
  root = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
  path = os.path.join(root, 'gan_jax', name)
  os.makedirs(path, exist_ok=True)
  return path


def enable_compilation_cache() -> None:
  """Keeps compiled programs between runs, unless JAX has been told of a folder already."""
  if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
    jax.config.update('jax_compilation_cache_dir', directory('xla'))
  # Every program, however small: start-up is made of many that compile in a fraction of a second.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


def save_arrays(path: str | pathlib.Path, arrays: dict[str, Any]) -> None:
  """Writes arrays as .npz; a reader sees the old file or the new one, never a part."""
  with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
    np.savez(file, **arrays)
  os.replace(file.name, path)


def load_arrays(path: str | pathlib.Path) -> dict[str, np.ndarray] | None:
  """Reads what `save_arrays` wrote; None where the file is missing or not whole."""
  try:
    with np.load(path, allow_pickle=False) as file:
      return dict(file)
  except (OSError, ValueError, EOFError, zipfile.BadZipFile):
    return None


def keep_newest(
  folder: pathlib.Path, suffix: str, count: int, total_bytes: float = math.inf
) -> None:
  """Removes all files of a suffix but those last written or touched; the newest stays whatever.

  Args:
    folder: where they are.
    suffix: of their names.
    count: files that may stay.
    total_bytes: that these may take together.
  """
  files = []
  for path in folder.glob(f'*{suffix}'):
    with contextlib.suppress(FileNotFoundError):  # removed by another process, meanwhile
      stat = path.stat()
      files.append((stat.st_mtime, stat.st_size, path))
  files.sort(reverse=True)
  taken = 0
  for place, (_, size, path) in enumerate(files):
    taken += size
    if place > 0 and (place >= count or taken > total_bytes):
      path.unlink(missing_ok=True)
