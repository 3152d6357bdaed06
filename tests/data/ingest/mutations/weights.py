"""Weights, against the bytes that are there."""

import io
import pathlib
import pickle
import tempfile
import zipfile

import numpy as np
import safetensors.numpy

from tests.data.ingest.mutations.changing import READ, require


def some_safetensors(rng):
  tensors = {f'w{i}': rng.normal(size=(3, 4)).astype(np.float32) for i in range(3)}
  return safetensors.numpy.save(tensors)


def try_weights(data, name):
  from gan_jax.errors import UserError
  from gan_jax.features import weights

  path = pathlib.Path(tempfile.mkdtemp(), name)
  path.write_bytes(data)
  try:
    state = weights._read(str(path))
  except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
    raise UserError(str(error)) from error  # as `read_weights` does with these
  for key, array in state.items():
    require(array.tobytes() in data, f'{key} holds what the file does not')
  return READ


FloatStorage = type('FloatStorage', (), {})


def _rebuild_tensor_v2(*_): ...


class Tensor:
  def __init__(self, base):
    self.base = base

  def __reduce__(self):
    strides = tuple(s // self.base.itemsize for s in self.base.strides)
    return _rebuild_tensor_v2, (self.base, 0, self.base.shape, strides, False, {})


class TorchPickler(pickle.Pickler):
  def persistent_id(self, obj):
    if isinstance(obj, np.ndarray):
      self.stored[str(len(self.stored))] = obj
      return 'storage', FloatStorage, str(len(self.stored) - 1), 'cpu', obj.size
    return None


def some_torch(rng):
  state = {f'w{i}': Tensor(rng.normal(size=(3, 4)).astype(np.float32)) for i in range(3)}
  file = io.BytesIO()
  pickler = TorchPickler(file, protocol=2)
  pickler.stored = {}
  pickler.dump(state)
  here = f'c{__name__}\n'.encode()
  text = file.getvalue().replace(here + b'_rebuild', b'ctorch._utils\n_rebuild')
  text = text.replace(here, b'ctorch\n')
  out = io.BytesIO()
  if rng.random() < 0.5:
    with zipfile.ZipFile(out, 'w') as archive:
      archive.writestr('w/data.pkl', text)
      for key, base in pickler.stored.items():
        archive.writestr(f'w/data/{key}', base.tobytes())
    return out.getvalue()
  for value in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True}):
    pickle.dump(value, out, protocol=2)
  out.write(text)
  pickle.dump(list(pickler.stored), out, protocol=2)
  for base in pickler.stored.values():
    out.write(base.size.to_bytes(8, 'little') + base.tobytes())
  return out.getvalue()
