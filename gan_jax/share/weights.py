"""Weights in a safetensors file: written, and read as far as they are those of a network here."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from gan_jax.errors import UserError

_NAMED = 3  # tensors in a message


def write(path: str, weights: dict[str, Any]) -> None:
  """Writes arrays by their paths."""
  tensors = {name: np.asarray(value, order='C') for name, value in weights.items()}
  content = safetensors.numpy.save(tensors, metadata={'format': 'np'})
  with open(path, 'wb') as file:
    file.write(content)


def count(path: str) -> int:
  """The number of arrays in a file.

  Raises:
    UserError: where it is not there, cut short, or none.
  """
  with _opened(path) as file:
    return len(list(file.keys()))


def read(path: str) -> dict[str, np.ndarray]:
  """Reads all arrays of a file; it holds what its header claims, or nothing is read.

  Raises:
    UserError: where it is not there, cut short, or none.
  """
  with _opened(path) as file:
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def read_as(path: str, shapes: dict[str, Any]) -> dict[str, np.ndarray]:
  """Reads a network's arrays, once the file's header says that they are its own.

  Args:
    path: the file.
    shapes: of the network, by path; with `shape` and `dtype`.

  Raises:
    UserError: for arrays that are missing, too many, or of other shapes or types; names them.
  """
  with _opened(path) as file:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    found = {name: (tuple(x.get_shape()), _dtype(x.get_dtype())) for name, x in slices.items()}
    problems = _told(found, _kinds(shapes))
    if problems:
      raise UserError(f'{path}: {problems}')
    return {name: file.get_tensor(name) for name in shapes}


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
  """In words, how arrays differ in name, shape or type from those wanted; '' where they do not."""
  return _told(_kinds(found), _kinds(wanted))


def _kinds(arrays: dict[str, Any]) -> dict[str, Any]:
  return {name: (tuple(leaf.shape), np.dtype(leaf.dtype)) for name, leaf in arrays.items()}


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
  """The file, its header checked against its length."""
  try:
    with safetensors.safe_open(path, 'np') as file:
      yield file
  except UserError:
    raise
  except OSError as error:
    reason = os.strerror(error.errno) if error.errno else str(error)
    raise UserError(f'{path}: cannot be read: {reason}') from error
  except Exception as error:  # of the library, and of NumPy for types that it does not know
    found = ' '.join(str(error).split())[:120]
    raise UserError(f'{path}: no whole safetensors file ({found})') from error


def _told(found: dict[str, Any], wanted: dict[str, Any]) -> str:
  say = lambda kind: 'nothing' if kind is None else f'{kind[1]} {list(kind[0])}'
  problems = [
    f'{name!r:.80}: holds {say(found.get(name))}, wanted {say(wanted.get(name))}'
    for name in sorted({*found, *wanted})
    if found.get(name) != wanted.get(name)
  ]
  more = f' and {len(problems) - _NAMED} more' if len(problems) > _NAMED else ''
  return '; '.join(problems[:_NAMED]) + more


def _dtype(name: str) -> np.dtype | str:
  known = {'F32': 'float32', 'F64': 'float64', 'F16': 'float16', 'I32': 'int32', 'I64': 'int64'}
  return np.dtype(known[name]) if name in known else name
