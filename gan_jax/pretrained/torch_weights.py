"""Reads tensors out of PyTorch `.pth` files without PyTorch and without running their pickles.

A `.pth` file is a pickle that names tensors, beside the raw bytes of their storages. A pickle may
name any callable and have it called, so an ordinary `pickle.load` of a downloaded file runs
whatever its author wished. Here it may name only what a state dict is made of, and every name
stands for a function or a string of this module. Two formats are read: the zip archive of PyTorch
1.6 and later, and the stream of pickles before it, in which many published weights still come.
"""

import collections
import io
import math
import os
import pickle
import zipfile
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

_ACCEPTED = 'accepted are zip (PyTorch >= 1.6) and legacy .pth files of a state dict'
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_LEGACY_START = pickle.dumps(_LEGACY_MAGIC, protocol=2)
_FLOATS = {'Double': '<f8', 'Float': '<f4', 'Half': '<f2', 'BFloat16': ml_dtypes.bfloat16}
_INTEGERS = {'Long': '<i8', 'Int': '<i4', 'Short': '<i2', 'Char': 'i1', 'Byte': 'u1', 'Bool': '?'}
_DTYPES = {f'{name}Storage': np.dtype(kind) for name, kind in (_FLOATS | _INTEGERS).items()}


class _Storage(NamedTuple):
  key: str
  dtype: np.dtype
  size: int  # in elements


class _Tensor(NamedTuple):
  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


class _RefusedError(ValueError):
  """The file asks for something that a state dict does not need."""


class _Unpickler(pickle.Unpickler):
  """Builds containers, numbers, strings and `_Tensor`s; refuses every other global."""

  def __init__(self, file: BinaryIO):
    super().__init__(file)
    self.storages: dict[str, _Storage] = {}

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) == ('collections', 'OrderedDict'):
      return collections.OrderedDict
    if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
      return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
    if module == 'torch' and name in _DTYPES:
      return name
    named = f'{module}.{name}'
    raise _RefusedError(f'its pickle names the global {named!r:.80}, which is refused')

  def persistent_load(self, pid: Any) -> _Storage:
    kind, dtype, key, _, size, *view = pid
    if kind != 'storage' or dtype not in _DTYPES or view not in ([], [None]):
      raise _RefusedError(f'its pickle names the storage {pid!r:.80}, which is refused')
    return self.storages.setdefault(key, _Storage(key, _DTYPES[dtype], size))


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
  """Reads a state dict out of a PyTorch `.pth` file.

  Args:
    path: the file, a zip archive or a legacy stream.

  Returns:
    Each tensor under its own name, in the file's order, as an array that owns its memory.

  Raises:
    ValueError: if the file is damaged or cut short, is neither format, holds anything but a flat
      dict of tensors, or its pickle names a global that a state dict does not need.
  """
  try:
    with open(path, 'rb') as file:
      start = file.read(len(_LEGACY_START))
      file.seek(0)
      if start.startswith(b'PK'):
        state, stored = _read_zip(file)
      elif start == _LEGACY_START:
        state, stored = _read_legacy(file)
      else:
        raise _RefusedError(f'it begins with the bytes {start!r}')
    return {name: _to_array(name, tensor, stored) for name, tensor in state.items()}
  except OSError:
    raise
  except _RefusedError as error:
    raise ValueError(f'{path}: {error}; {_ACCEPTED}') from error
  except Exception as error:  # A damaged pickle raises whatever its opcodes happen to run into.
    found = f'damaged or cut short ({type(error).__name__}: {error})'
    raise ValueError(f'{path}: {found}; {_ACCEPTED}') from error


def _read_zip(file: BinaryIO) -> tuple[dict[str, Any], dict[str, bytes]]:
  """Reads the pickle `*/data.pkl` and the storages `*/data/<key>`."""
  with zipfile.ZipFile(file) as archive:
    pickles = [name for name in archive.namelist() if name.endswith('/data.pkl')]
    if len(pickles) != 1:
      raise _RefusedError(f'a zip archive with {len(pickles)} entries */data.pkl in place of one')
    root = pickles[0].removesuffix('data.pkl')
    order = f'{root}byteorder'
    if order in archive.namelist() and archive.read(order) != b'little':
      raise _RefusedError('big-endian tensors')
    unpickler = _Unpickler(io.BytesIO(archive.read(pickles[0])))
    state = _checked(unpickler.load())
    return state, {key: archive.read(f'{root}data/{key}') for key in unpickler.storages}


def _read_legacy(file: BinaryIO) -> tuple[dict[str, Any], dict[str, bytes]]:
  """Reads five pickles (magic, version, system, state, keys), then size and bytes of each key."""
  _, version, system = (_Unpickler(file).load() for _ in range(3))
  if version != _LEGACY_VERSION or not system['little_endian']:
    raise _RefusedError(f'legacy version {version!r} on the system {system!r:.80}')
  unpickler = _Unpickler(file)
  state = _checked(unpickler.load())
  stored = {}
  for key in _Unpickler(file).load():
    storage = unpickler.storages[key]
    if int.from_bytes(file.read(8), 'little') != storage.size:
      raise EOFError(f'storage {key} is not of {storage.size} elements')
    stored[key] = file.read(storage.size * storage.dtype.itemsize)
  return state, stored


def _checked(state: Any) -> dict[str, Any]:
  if not isinstance(state, dict):
    raise _RefusedError(f'it holds a {type(state).__name__} in place of a dict of tensors')
  for name, value in state.items():
    if not isinstance(name, str):
      raise _RefusedError(f'it names a tensor by {name!r:.80} in place of a string')
    if not isinstance(value, _Tensor):
      raise _RefusedError(f'it holds a {type(value).__name__} in place of a tensor at {name!r}')
  return state


def _to_array(name: str, tensor: _Tensor, stored: dict[str, bytes]) -> np.ndarray:
  """Copies a strided view of its storage's bytes; no view may reach outside of them."""
  storage, offset, shape, strides = tensor
  flat = np.frombuffer(stored[storage.key], storage.dtype)
  last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
  if min((offset, *shape, *strides)) < 0 or flat.size != storage.size:
    raise EOFError(f'{name} of shape {shape} in a storage of {flat.size} elements')
  if math.prod(shape) == 0:
    return np.empty(shape, storage.dtype)
  if max(last + 1, math.prod(shape)) > flat.size:  # also a view that repeats elements beyond that
    raise EOFError(f'{name} of shape {shape} ends outside of a storage of {flat.size} elements')
  byte_strides = [s * storage.dtype.itemsize for s in strides]
  return np.lib.stride_tricks.as_strided(flat[offset:], shape, byte_strides).copy()
