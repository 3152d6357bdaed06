import collections
import os
import pickle
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest

from gan_jax.pretrained import torch_pickle, torch_weights
from gan_jax.pretrained.torch_weights import read_state_dict

FloatStorage = type('FloatStorage', (), {})
HalfStorage = type('HalfStorage', (), {})
BFloat16Storage = type('BFloat16Storage', (), {})
LongStorage = type('LongStorage', (), {})
BoolStorage = type('BoolStorage', (), {})


def _rebuild_tensor_v2(*_): ...


STORAGES = {
  np.dtype(np.float32): FloatStorage,
  np.dtype(np.float16): HalfStorage,
  np.dtype(ml_dtypes.bfloat16): BFloat16Storage,
  np.dtype(np.int64): LongStorage,
  np.dtype(np.bool_): BoolStorage,
}


class Tensor:
  """A view of `base`, as PyTorch pickles one; strides count elements."""

  def __init__(self, base, shape=None, strides=None, offset=0):
    self.base = base
    self.view = (
      offset,
      base.shape if shape is None else shape,
      tuple(s // base.itemsize for s in base.strides) if strides is None else strides,
    )

  def __reduce__(self):
    return _rebuild_tensor_v2, (self.base, *self.view, False, collections.OrderedDict())


class _Pickler(pickle.Pickler):
  def __init__(self, file, stored):
    super().__init__(file, protocol=2)
    self.stored = stored

  def persistent_id(self, obj):
    if not isinstance(obj, np.ndarray):
      return None
    key = str(id(obj))
    self.stored[key] = obj
    return 'storage', STORAGES[obj.dtype], key, 'cpu', obj.size


def _pickled(state, path):
  """The pickle of a state dict as PyTorch would name its globals, and the arrays it points to."""
  stored = {}
  with open(path, 'wb') as file:
    _Pickler(file, stored).dump(state)
  text = path.read_bytes()
  text = text.replace(f'c{__name__}\n_rebuild'.encode(), b'ctorch._utils\n_rebuild')
  return text.replace(f'c{__name__}\n'.encode(), b'ctorch\n'), stored


def _write_zip(path, state):
  text, stored = _pickled(state, path)
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('weights/data.pkl', text)
    archive.writestr('weights/byteorder', 'little')
    for key, base in stored.items():
      archive.writestr(f'weights/data/{key}', base.tobytes())


def _write_legacy(path, state):
  text, stored = _pickled(state, path)
  system = {'protocol_version': 1001, 'little_endian': True}
  with open(path, 'wb') as file:
    for value in (0x1950A86A20F9469CFC6C, 1001, system):
      pickle.dump(value, file, protocol=2)
    file.write(text)
    pickle.dump(list(stored), file, protocol=2)
    for base in stored.values():
      file.write(base.size.to_bytes(8, 'little') + base.tobytes())


@pytest.fixture(params=[_write_zip, _write_legacy], ids=['zip', 'legacy'])
def write(request):
  return request.param


def _refusal(path):
  with pytest.raises(ValueError) as refused:
    read_state_dict(path)
  message = str(refused.value)
  assert str(path) in message
  assert '\n' not in message
  return message


@pytest.mark.parametrize('dtype', STORAGES)
def test_reads_every_type(tmp_path, write, dtype):
  base = np.array([[0, 1, 2], [3, 0, 1]]).astype(dtype)
  write(tmp_path / 'a.pth', collections.OrderedDict(weight=Tensor(base)))
  read = read_state_dict(tmp_path / 'a.pth')
  assert read['weight'].dtype == dtype
  np.testing.assert_array_equal(read['weight'], base)


def test_reads_views_that_share_a_storage(tmp_path, write):
  base = np.arange(12, dtype=np.float32)
  state = {
    'transposed': Tensor(base, (4, 3), (1, 4)),
    'offset': Tensor(base, (2, 2), (6, 2), offset=3),
    'expanded': Tensor(base, (2, 3), (0, 1)),
    'scalar': Tensor(base, (), (), offset=7),
    'empty': Tensor(base, (0, 3), (3, 1)),
  }
  write(tmp_path / 'a.pth', state)
  read = read_state_dict(tmp_path / 'a.pth')
  assert list(read) == list(state)
  np.testing.assert_array_equal(read['transposed'], base.reshape(3, 4).T)
  np.testing.assert_array_equal(read['offset'], [[3, 5], [9, 11]])
  np.testing.assert_array_equal(read['expanded'], [[0, 1, 2], [0, 1, 2]])
  assert read['scalar'] == 7
  assert read['empty'].shape == (0, 3)
  read['expanded'][0, 0] = 9  # An array of its own: nothing else changes.
  assert read['expanded'][1, 0] == 0


class _Attack:
  def __init__(self, marker):
    self.marker = marker

  def __reduce__(self):
    return os.system, (f'touch {self.marker}',)


def test_refuses_and_does_not_run_code(tmp_path, write):
  marker = tmp_path / 'ran'
  write(tmp_path / 'a.pth', {'weight': _Attack(marker)})
  assert f'{os.name}.system' in _refusal(tmp_path / 'a.pth')
  assert not marker.exists()


def test_refuses_a_file_cut_short(tmp_path, write):
  path = tmp_path / 'a.pth'
  write(path, {'weight': Tensor(np.arange(50, dtype=np.float32))})
  whole = path.read_bytes()
  assert read_state_dict(path)
  for length in (20, 60, len(whole) // 2, len(whole) - 1):
    path.write_bytes(whole[:length])
    assert 'cut short' in _refusal(path)


@pytest.mark.parametrize('content', [b'', b'GIF89a and more bytes', b'PK', pickle.dumps({'a': 1})])
def test_refuses_what_is_no_archive(tmp_path, content):
  (tmp_path / 'a.pth').write_bytes(content)
  said = _refusal(tmp_path / 'a.pth')
  assert 'accepted are' in said
  assert ('it begins with the bytes' in said) == (content != b'PK')


@pytest.mark.parametrize(
  ('state', 'named'),
  [
    ({'weight': Tensor(np.zeros(4, np.float32), (3,), (2,))}, 'weight'),
    ({'weight': Tensor(np.zeros(4, np.float32), (2,), (1,), offset=-1)}, 'weight'),
    ({'weight': Tensor(np.zeros(4, np.float32), (200_000_000,), (0,))}, 'weight'),
    ({3: Tensor(np.zeros(4, np.float32))}, 'names a tensor by 3 in place of a string'),
    ({'epoch': 3}, "a int in place of a tensor at 'epoch'"),
    ([1, 2], 'a list in place of a dict'),
  ],
)
def test_refuses_what_is_no_state_dict(tmp_path, write, state, named):
  write(tmp_path / 'a.pth', state)
  assert named in _refusal(tmp_path / 'a.pth')


NEST = b'K\x01\x85' + b'q\x00h\x00h\x00\x86' * 40  # a pair of itself, forty times over
TWICE = b'K\x01\x85' + b'2\x86' * 40  # the same by DUP, which no pickler writes
STORAGE = b'(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu%stQ'
TENSOR = b'ctorch._utils\n_rebuild_tensor_v2\n(%sK\x00%s%s\x89}tR'


@pytest.mark.parametrize(
  'pickled',
  [
    b'}' + NEST + b'K\x01s',
    b'}' + TWICE + b'K\x01s',
    b'}(' + NEST + NEST + b'u',
    b'(U\x07storage' + NEST + b'U\x010U\x03cpuK\x01tQ',
    STORAGE % NEST,
    b'(' + NEST + b'tQ',
    b'}U\x01a' + NEST + b's',
    NEST,
    b'ccollections\nOrderedDict\n(](' + NEST + b'K\x01\x86etR',
    TENSOR % (STORAGE % b'K\x01', NEST, NEST),
    TENSOR % (STORAGE % b'K\x01', NEST + b'\x85', NEST + b'\x85'),
    TENSOR % (STORAGE % b'K\x01', b'\x8a\xff' + b'\x7f' * 255 + b'\x85', b'K\x01\x85'),
    b'(' + b'K\x01' * 10 + b't' * 3,
    b'(' * 100_000,
    b')\x85' * 100_000,
    b'}U\x01a}(' + b'K\x01K\x01' * 10 + b'us',
  ],
)
def test_a_pickle_that_is_built_to_hang_is_refused(tmp_path, pickled):
  with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
    archive.writestr('m/data.pkl', b'\x80\x02' + pickled + b'.')
  assert len(_refusal(tmp_path / 'a.pth')) < 500


def test_no_more_steps_are_taken_than_a_state_dict_needs(tmp_path, monkeypatch):
  monkeypatch.setattr(torch_pickle, 'MAX_STEPS', 1000)
  with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
    archive.writestr('m/data.pkl', b'\x80\x02' + b'K\x01' * 2000 + b'.')
  assert 'more than 1,000 instructions' in _refusal(tmp_path / 'a.pth')


def test_no_more_memory_is_taken_than_was_bounded(tmp_path, monkeypatch):
  base = np.zeros(2**20, np.float32)
  state = {f'w{i}': Tensor(base) for i in range(20)}  # each of which becomes an array of its own
  _write_zip(tmp_path / 'views.pth', state)
  _write_legacy(tmp_path / 'legacy.pth', state)
  with zipfile.ZipFile(tmp_path / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('m/data.pkl', bytes(2**26))
  _write_zip(tmp_path / 'small.pth', {'w': Tensor(base[:4])})
  with (
    zipfile.ZipFile(tmp_path / 'storage.pth', 'w', zipfile.ZIP_DEFLATED) as archive,
    zipfile.ZipFile(tmp_path / 'small.pth') as small,
  ):
    for name in small.namelist():
      archive.writestr(name, bytes(2**26) if '/data/' in name else small.read(name))
  monkeypatch.setattr(torch_weights, 'MAX_BYTES', 2**25)
  monkeypatch.setattr(torch_weights, 'MAX_PICKLE', 2**20)
  for name in ('views', 'legacy', 'bomb', 'storage'):
    tracemalloc.start()
    assert 'at most' in _refusal(tmp_path / f'{name}.pth')
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


def test_refuses_a_zip_of_something_else(tmp_path):
  with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
    archive.writestr('picture.png', b'')
  assert 'data.pkl' in _refusal(tmp_path / 'a.pth')
