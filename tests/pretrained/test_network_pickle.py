"""Files of networks are read, and nothing that they hold is run."""

import pathlib
import pickle
import struct

import numpy as np
import pytest

from gan_jax.pretrained import network_pickle
from gan_jax.pretrained.network_pickle import read_networks

FIXTURES = pathlib.Path(__file__).parent.parent / 'share' / 'fixtures'
NAMES = ('G_ema', 'D')
GLOBAL = lambda module, name: f'c{module}\n{name}\n'.encode()
PERSISTED = GLOBAL('torch_utils.persistence', '_reconstruct_persistent_obj')


def text(value):
  return b'X' + struct.pack('<I', len(value.encode())) + value.encode()


def persisted(kind, source='', state=b'}'):
  """`_reconstruct_persistent_obj({...})`, as NVIDIA's code writes it."""
  about = text('type') + text('class') + text('version') + b'K\x06'
  about += text('module_src') + text(source) + text('class_name') + text(kind)
  return PERSISTED + b'}(' + about + text('state') + state + b'u\x85R'


def file_of(path, value):
  """A pickle of `{'G_ema': value}`."""
  path.write_bytes(b'\x80\x04}' + text('G_ema') + value + b's.')
  return path


def calls(module, name, *arguments):
  return GLOBAL(module, name) + b'(' + b''.join(map(text, arguments)) + b'tR'


TENSOR = GLOBAL('torch._utils', '_rebuild_tensor_v2')
STORAGE = GLOBAL('torch.storage', '_load_from_bytes')


def malicious(marker):
  """Pickles that would leave a mark if anything of them were run."""
  command, code = f'touch {marker}', f'open({str(marker)!r}, "w")'
  inner = b'\x80\x02' + calls('posix', 'system', command) + b'.'
  blob = b'B' + struct.pack('<I', len(inner)) + inner
  tensor = TENSOR + b'(' + STORAGE + blob + b'\x85RK\x00K\x01\x85K\x01\x85\x89}tR'
  within = b'}(' + text('_parameters') + b'}' + text('w') + tensor + b'su'
  return {
    'os.system': calls('os', 'system', command),
    'posix.system': calls('posix', 'system', command),
    'nt.system': calls('nt', 'system', command),
    'subprocess.Popen': calls('subprocess', 'Popen', command),
    'subprocess.check_output': calls('subprocess', 'check_output', command),
    'builtins.exec': calls('builtins', 'exec', code),
    '__builtin__.eval': calls('__builtin__', 'eval', code),
    'builtins.getattr': calls('builtins', 'getattr', 'a', 'b'),
    'builtins.__import__': calls('builtins', '__import__', 'os'),
    'importlib.import_module': calls('importlib', 'import_module', 'antigravity'),
    'builtins.open': calls('builtins', 'open', str(marker), 'w'),
    'pickle.loads': GLOBAL('pickle', 'loads') + blob + b'\x85R',
    'torch.load': calls('torch', 'load', str(marker)),
    'torch.hub.load': calls('torch.hub', 'load', 'evil/repository'),
    'runpy.run_path': calls('runpy', 'run_path', str(marker)),
    'torch_utils.persistence._src_to_module': calls(
      'torch_utils.persistence', '_src_to_module', code
    ),
    'torch_utils.persistence.exec': calls('torch_utils.persistence', 'exec', code),
    'R3GAN.Networks.torch.load': text('R3GAN.Networks') + text('torch.load') + b'\x93)R',
    'R3GAN.Networks.Generator': calls('R3GAN.Networks', 'Generator', code),
    'numpy.dtype': GLOBAL('numpy', 'dtype') + b')\x81',
    'the class .Evil.': persisted('Evil', code),
    'the class .SynthesisInput.': persisted('SynthesisInput', code),
    'the instruction INST': b'(' + text(command) + b'iposix\nsystem\n',
    'the instruction OBJ': b'(' + GLOBAL('R3GAN.Networks', 'Generator') + b'o',
    'the instruction NEWOBJ_EX': GLOBAL('R3GAN.Networks', 'Generator') + b')}\x92',
    'the instruction EXT1': b'\x82\x01',
    'the instruction PERSID': b'Pevil\n',
    'names a storage outside': b')Q',
    "names 'builtins.exec'": GLOBAL('builtins', 'exec'),  # and calls nothing
    'posix.system.,': persisted('Generator', '', within),
  }


@pytest.mark.parametrize('named', malicious('x'))
def test_a_malicious_file_is_refused_before_anything_is_run(named, tmp_path, monkeypatch):
  marker = tmp_path / 'ran'
  path = file_of(tmp_path / 'evil.pkl', malicious(marker)[named])
  monkeypatch.setattr(pickle, 'loads', None)
  with pytest.raises(ValueError, match=named):
    read_networks(path, NAMES)
  assert not marker.exists()


@pytest.mark.parametrize('named', ['os.system', 'builtins.exec', 'subprocess.Popen'])
def test_these_would_run_if_unpickled(named, tmp_path):
  """What makes the refusals count."""
  marker = tmp_path / 'ran'
  path = file_of(tmp_path / 'evil.pkl', malicious(marker)[named])
  value = pickle.loads(path.read_bytes().replace(b'csubprocess\nPopen', b'cos\nsystem'))
  assert marker.exists(), value


def test_the_text_of_its_code_is_not_looked_at(tmp_path):
  marker = tmp_path / 'ran'
  source = f'open({str(marker)!r}, "w")'
  path = file_of(tmp_path / 'a.pkl', persisted('Generator', source, b'}' + text('a') + b'K\x01s'))
  found = read_networks(path, NAMES)['G_ema']
  assert (found.kind, found.attributes, found.tensors) == ('Generator', {'a': 1}, {})
  assert not marker.exists()


def nested(depth, copies):
  """A file of modules, each of which holds the one before it several times."""
  made = b'\x80\x04}' + text('0') + persisted('SynthesisBlock') + b'q\x00s'
  for place in range(depth):
    names = b''.join(text(str(n)) + b'h' + bytes([place]) for n in range(copies))
    state = b'}' + text('_modules') + b'}(' + names + b'us'
    made += (
      text('G_ema') + persisted('SynthesisBlock', '', state) + b'q' + bytes([place + 1]) + b's'
    )
  return made + b'.'


@pytest.mark.parametrize(('depth', 'copies'), [(100, 1), (20, 3)])
def test_modules_that_take_for_ever_to_walk_are_refused(depth, copies, tmp_path):
  path = tmp_path / 'a.pkl'
  path.write_bytes(nested(depth, copies))
  with pytest.raises(ValueError, match='deeper, or more, than any network'):
    read_networks(path, NAMES)


def test_modules_are_walked_to_the_bounds_that_are_said(tmp_path, monkeypatch):
  path = tmp_path / 'a.pkl'
  path.write_bytes(nested(5, 1))  # six modules, five steps down
  for name, enough in (('_DEPTH', 5), ('_MOST_MODULES', 6)):
    with monkeypatch.context() as patch:
      patch.setattr(network_pickle, name, enough)
      assert list(read_networks(path, NAMES)) == ['G_ema']
      patch.setattr(network_pickle, name, enough - 1)
      with pytest.raises(ValueError, match='deeper, or more, than any network'):
        read_networks(path, NAMES)


def test_more_values_than_any_network_has_are_refused_before_they_are_read(tmp_path, monkeypatch):
  shape = b'J' + struct.pack('<i', 2**28 + 1) + b'\x85'
  tensor = TENSOR + b'(' + STORAGE + b'C\x00\x85RK\x00' + shape + b'K\x01\x85\x89}tR'
  state = b'}' + text('_parameters') + b'}' + text('w') + tensor + b'ss'
  path = file_of(tmp_path / 'a.pkl', persisted('Generator', '', state))
  with pytest.raises(ValueError, match='more than 268,435,456 values'):  # a GiB of float32
    read_networks(path, NAMES)
  monkeypatch.setattr(network_pickle, '_MOST_VALUES', 20)  # of all tensors together
  with pytest.raises(ValueError, match='more than 20 values'):
    read_networks(FIXTURES / 'r3gan.pkl', NAMES)


def test_a_module_within_itself_is_refused(tmp_path):
  made = GLOBAL('training.networks', 'Generator') + b')\x81q\x00'
  made += b'}' + text('_modules') + b'}' + text('a') + b'h\x00ssb'
  with pytest.raises(ValueError, match='deeper, or more'):
    read_networks(file_of(tmp_path / 'a.pkl', made), NAMES)


@pytest.mark.parametrize(
  'content',
  [
    b'',
    b'\x80\x04}.',
    b'\x80\x04N.',
    b'PK\x03\x04',
    b'\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.',
    b'\x80\x04}' + text('G_ema') + b'K\x01s.',
    b'\x80\x04}(K\x01K\x02\x86K\x03u.',
  ],
)
def test_what_holds_no_networks_is_refused_in_a_line(content, tmp_path):
  path = tmp_path / 'a.pkl'
  path.write_bytes(content)
  with pytest.raises(ValueError) as refused:
    read_networks(path, NAMES)
  assert str(path) in str(refused.value)
  assert '\n' not in str(refused.value)


@pytest.mark.parametrize('name', ['stylegan2_ada_pytorch', 'stylegan3', 'r3gan'])
def test_damage_anywhere_is_refused_or_read_and_never_more(name, tmp_path):
  content = (FIXTURES / f'{name}.pkl').read_bytes()
  rng = np.random.default_rng(0)
  path, refused = tmp_path / 'a.pkl', 0
  for number in range(60):
    damaged = bytearray(content)
    if number % 2:
      damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
    else:
      damaged = damaged[: rng.integers(len(content))]
    path.write_bytes(damaged)
    try:
      read_networks(path, NAMES)
    except ValueError:
      refused += 1
  assert refused >= 30  # every cut at least


def test_what_it_has_of_each_network(tmp_path):
  found = read_networks(FIXTURES / 'stylegan2_ada_pytorch.pkl', ('G_ema', 'D', 'other'))
  assert list(found) == ['G_ema', 'D']
  generator = found['G_ema']
  assert generator.kind == 'Generator'
  assert generator.tensors['mapping.embed.weight'].shape == (8, 3)
  assert generator.attributes['synthesis.b16.conv1.conv_clamp'] == 256
  with pytest.raises(ValueError, match='no network called other'):
    read_networks(FIXTURES / 'r3gan.pkl', ('other',))
  with pytest.raises(OSError, match='No such file'):
    read_networks(tmp_path / 'none.pkl', NAMES)
