"""Reads tensors out of PyTorch `.pth` files without PyTorch and without running their pickles.

A `.pth` file is a pickle that names tensors, beside the raw bytes of their storages; how the pickle
is read without being run, `torch_pickle` says. Two formats are read: the zip archive of PyTorch 1.6
and later, and the stream of pickles before it, in which many published weights still come.
"""

import io
import math
import mmap
import os
import pickle
import zipfile
from typing import Any, BinaryIO

import numpy as np

from gan_jax.pretrained.torch_pickle import RefusedError, Storage, Tensor, load

MAX_PICKLE = 2**26  # bytes
MAX_BYTES = 2**30  # of all tensors of a file: an archive may claim any size for what it holds
_ACCEPTED = 'accepted are zip (PyTorch >= 1.6) and legacy .pth files of a state dict'
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_LEGACY_START = pickle.dumps(_LEGACY_MAGIC, protocol=2)


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
        # Mapped: of a file, Python takes the memory for all that is asked for before it reads.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
          state, stored = _read_legacy(mapped)
      else:
        raise RefusedError(f'it begins with the bytes {start!r}')
    _check_size(sum(math.prod(t.shape) * t.storage.dtype.itemsize for t in state.values()))
    return {name: _to_array(name, tensor, stored) for name, tensor in state.items()}
  except OSError:
    raise
  except RefusedError as error:
    raise ValueError(f'{path}: {_line(error)}; {_ACCEPTED}') from error
  except Exception as error:  # A damaged pickle raises whatever its opcodes happen to run into.
    found = f'damaged or cut short ({type(error).__name__}: {_line(error)})'
    raise ValueError(f'{path}: {found}; {_ACCEPTED}') from error


def read_storage(content: bytes) -> np.ndarray:
  """Reads one storage, as tensors within a pickle have theirs: a legacy stream; flat.

  Raises:
    ValueError, IndexError, KeyError: where it is damaged or holds anything else.
  """
  file = io.BytesIO(content)
  if load(file)[0] != _LEGACY_MAGIC:
    raise RefusedError('a storage in another format than the legacy one')
  storage, stored = _read_stream(file)
  if not isinstance(storage, Storage):
    raise RefusedError(f'a {type(storage).__name__} in place of a storage')
  return np.frombuffer(stored[storage.key], storage.dtype)


def _line(error: Exception) -> str:
  return ' '.join(str(error).split())[:200]


def _read_zip(file: BinaryIO) -> tuple[dict[str, Any], dict[str, bytes]]:
  """Reads the pickle `*/data.pkl` and the storages `*/data/<key>`."""
  with zipfile.ZipFile(file) as archive:
    pickles = [name for name in archive.namelist() if name.endswith('/data.pkl')]
    if len(pickles) != 1:
      raise RefusedError(f'a zip archive with {len(pickles)} entries */data.pkl in place of one')
    root = pickles[0].removesuffix('data.pkl')
    order = f'{root}byteorder'
    if order in archive.namelist() and _member(archive, order, 99) != b'little':
      raise RefusedError('big-endian tensors')
    loaded, storages = load(io.BytesIO(_member(archive, pickles[0], MAX_PICKLE)))
    state = _checked(loaded)
    _check_storages(storages)
    return state, {
      key: _member(archive, f'{root}data/{key}', storage.size * storage.dtype.itemsize)
      for key, storage in storages.items()
    }


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
  size = archive.getinfo(name).file_size  # which zipfile itself reads no further than
  if size > most:
    raise RefusedError(f'it holds {size:,} bytes in {name!r:.80}; at most {most:,} are read')
  return archive.read(name)


def _read_legacy(file: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
  load(file)  # the magic number
  loaded, stored = _read_stream(file)
  return _checked(loaded), stored


def _read_stream(file: Any) -> tuple[Any, dict[str, bytes]]:
  """After the magic number: version, system, what was saved, keys; size and bytes of each key."""
  version, system = (load(file)[0] for _ in range(2))
  if version != _LEGACY_VERSION or not system['little_endian']:
    raise RefusedError('legacy of another version than 1001, or big-endian tensors')
  loaded, storages = load(file)
  _check_storages(storages)
  stored = {}
  for key in load(file)[0]:
    storage = storages[key]
    if int.from_bytes(file.read(8), 'little') != storage.size:
      raise EOFError(f'storage {key} is not of {storage.size} elements')
    stored[key] = file.read(storage.size * storage.dtype.itemsize)
  return loaded, stored


def _check_storages(storages: dict[str, Storage]) -> None:
  if min((storage.size for storage in storages.values()), default=0) < 0:
    raise EOFError('a storage of less than no elements')
  _check_size(sum(storage.size * storage.dtype.itemsize for storage in storages.values()))


def _check_size(size: int) -> None:
  if size > MAX_BYTES:
    raise RefusedError(f'it holds {size:,} bytes of tensors; at most {MAX_BYTES:,} are read')


def _checked(state: Any) -> dict[str, Any]:
  if not isinstance(state, dict):
    raise RefusedError(f'it holds a {type(state).__name__} in place of a dict of tensors')
  for name, value in state.items():
    if not isinstance(name, str):
      raise RefusedError(f'it names a tensor by {name} in place of a string')
    if not isinstance(value, Tensor):
      raise RefusedError(f'it holds a {type(value).__name__} in place of a tensor at {name!r:.80}')
  return state


def _to_array(name: str, tensor: Tensor, stored: dict[str, bytes]) -> np.ndarray:
  """Copies a strided view of its storage's bytes; no view may reach outside of them."""
  storage, offset, shape, strides = tensor
  flat = np.frombuffer(stored[storage.key], storage.dtype)
  if flat.size != storage.size:
    raise EOFError(f'{name} of shape {shape} in a storage of {flat.size} elements')
  return strided(name, flat, offset, shape, strides)


def strided(
  name: str, flat: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
  """Copies a strided view of flat elements; offset and strides count these.

  Raises:
    EOFError: for a view that reaches outside of them; names the tensor.
  """
  last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
  if min((offset, *shape, *strides)) < 0:
    raise EOFError(f'{name} of shape {shape} in a storage of {flat.size} elements')
  if math.prod(shape) == 0:
    return np.empty(shape, flat.dtype)
  if max(last + 1, math.prod(shape)) > flat.size:  # also a view that repeats elements beyond that
    raise EOFError(f'{name} of shape {shape} ends outside of a storage of {flat.size} elements')
  byte_strides = [s * flat.itemsize for s in strides]
  return np.lib.stride_tricks.as_strided(flat[offset:], shape, byte_strides).copy()
