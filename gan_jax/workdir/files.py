"""Files of a workdir: read with the file's name in every error, written so that none is torn."""

import contextlib
import hashlib
import json
import os
import pathlib
from typing import Any

from gan_jax.errors import UserError
from gan_jax.runtime import left_over

_SEAL = 'sha256'  # of the rest of an object


def read_json(path: str) -> dict[str, Any]:
  """Reads an object of JSON; a seal, where it has one, is checked and left out.

  Raises:
    FileNotFoundError: where there is no such file.
    UserError: where it cannot be read, holds something else, or not what was sealed.
  """
  try:
    with open(path, encoding='utf-8') as file:
      found = json.load(file)
  except FileNotFoundError:
    raise
  except OSError as error:
    raise UserError(f'{path}: cannot be read: {error.strerror}') from error
  except (ValueError, RecursionError) as error:  # of JSON, and of bytes that are no text
    raise UserError(f'{path}: damaged: {error}; bring it back from a copy') from error
  if not isinstance(found, dict):
    raise UserError(f'{path}: damaged: holds {type(found).__name__}, not an object of JSON')
  seal = found.pop(_SEAL, None)
  if seal is not None and seal != _seal(found):
    raise UserError(
      f'{path}: damaged: not what was written there; bring it back from a copy, or, where you have '
      f'changed it yourself, take its line {_SEAL!r} out'
    )
  return found


def write_sealed(path: str, value: dict[str, Any]) -> None:
  """Replaces a file by an object of JSON with a digest in it, by which damage is known."""
  write_json(path, {_SEAL: _seal(value), **value})


def write_json(path: str, value: dict[str, Any]) -> None:
  """Replaces a file by an object of JSON."""
  write_atomically(path, json.dumps(value, indent=2) + '\n')


def write_atomically(path: str, text: str) -> None:
  """Replaces a file so that a reader sees the old text or the new one, never a part.

  Raises:
    OSError: where it cannot be written; the old text is still there then.
  """
  temporary = f'{path}.{os.getpid()}.tmp'
  try:
    with open(temporary, 'w', encoding='utf-8') as file:
      file.write(text)
      file.flush()
      os.fsync(file.fileno())  # else a power cut may leave the new name with nothing in it
    os.replace(temporary, path)
  except OSError:
    with contextlib.suppress(OSError):
      os.unlink(temporary)
    raise


def remove_left_over(folder: str) -> None:
  """Removes what processes that were killed left half written in a folder."""
  for path in left_over.paths(pathlib.Path(folder)):
    with contextlib.suppress(OSError):
      if path.is_file():
        path.unlink()


def _seal(value: dict[str, Any]) -> str:
  return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def check_writable(path: str, flag: str) -> None:
  """Raises UserError where a file that a flag names could not be written, before it is made."""
  folder = os.path.dirname(path) or '.'
  usable = os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
  if os.path.isdir(path) or not usable:
    raise UserError(f'{flag}={path}: must be a file in a folder that is there and can be written')


def write_named(path: str, flag: str, text: str) -> None:
  """Writes a file that a flag names; UserError where that is refused."""
  try:
    write_atomically(path, text)
  except OSError as error:
    raise UserError(f'{flag}={path}: cannot be written ({error.strerror})') from error
