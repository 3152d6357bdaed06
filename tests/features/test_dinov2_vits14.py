"""DINOv2 against Hugging Face's, with the same random weights.

The fixture is made by fixtures/make_dinov2_vits14.py.
"""

import pathlib

import jax
import numpy as np
import pytest
import safetensors.numpy
from scipy import special

from gan_jax.errors import UserError
from gan_jax.features import dinov2_vits14
from gan_jax.features.network import Request
from tests.features.fixtures.drawn_inputs import dinov2_weights, images

ORACLE = np.load(pathlib.Path(__file__).parent / 'fixtures' / 'dinov2_vits14.npz')


@pytest.fixture(scope='module')
def drawn():
  return dinov2_weights(dinov2_vits14.shapes())


@pytest.fixture(scope='module')
def file(drawn, tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'model.safetensors'
  safetensors.numpy.save_file(drawn, path)
  return str(path)


@pytest.fixture(scope='module')
def networks(file):
  return {
    way: dinov2_vits14.load(Request(None, None, file, way)) for way in ('antialias', 'legacy')
  }


def test_reads_the_names_that_transformers_writes():
  assert sorted(dinov2_vits14.shapes()) == ORACLE['names'].tolist()


# At the network's own size nothing is scaled, in either way.
@pytest.mark.parametrize(('way', 'size'), [('antialias', 224), ('legacy', 96), ('legacy', 300)])
def test_features_are_those_of_transformers(networks, way, size):
  network = networks[way]
  features, logits = network.apply(network.params, images(size))
  assert (features.shape, features.dtype, logits) == ((4, 384), np.float32, None)
  np.testing.assert_allclose(features, ORACLE[f'features_{size}'], atol=1e-3)


def test_a_block_is_the_one_of_the_definition():
  """In float64 by NumPy: the exact GELU, and 1e-6 beside a variance that is about as small."""
  rng = np.random.default_rng(1)
  names = {f'attention.attention.{part}': (384, 384) for part in ('query', 'key', 'value')}
  names |= {'attention.output.dense': (384, 384), 'mlp.fc1': (1536, 384), 'mlp.fc2': (384, 1536)}
  state = {'layer_scale1.lambda1': rng.normal(size=384), 'layer_scale2.lambda1': np.ones(384)}
  for name, shape in names.items():
    state[f'{name}.weight'] = rng.normal(size=shape) / np.sqrt(shape[1])
    state[f'{name}.bias'] = rng.normal(size=shape[0])
  for name in ('norm1', 'norm2'):
    state |= {f'{name}.weight': rng.normal(size=384), f'{name}.bias': rng.normal(size=384)}
  norm = lambda x, n: (
    (x - x.mean(-1, keepdims=True))
    / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    * state[f'{n}.weight']
    + state[f'{n}.bias']
  )
  dense = lambda x, n: x @ state[f'{n}.weight'].T + state[f'{n}.bias']
  x = 1e-3 * rng.normal(size=(2, 5, 384))
  y = norm(x, 'norm1')
  parts = (dense(y, f'attention.attention.{part}') for part in ('query', 'key', 'value'))
  q, k, v = (part.reshape(2, 5, 6, 64).transpose(0, 2, 1, 3) for part in parts)
  weights = special.softmax(q @ k.transpose(0, 1, 3, 2) / 8, axis=-1)
  heads = (weights @ v).transpose(0, 2, 1, 3).reshape(x.shape)
  middle = x + dense(heads, 'attention.output.dense') * state['layer_scale1.lambda1']
  hidden = dense(norm(middle, 'norm2'), 'mlp.fc1')
  hidden *= special.ndtr(hidden)
  expected = middle + dense(hidden, 'mlp.fc2')
  layer = dinov2_vits14._layer({name: np.float32(value) for name, value in state.items()}, '')
  with jax.default_matmul_precision('float32'):
    found = dinov2_vits14._block(layer, np.float32(x))
  np.testing.assert_allclose(found, expected, atol=3e-5)


def test_the_two_ways_have_names_of_their_own(networks):
  for way, name in (('antialias', 'dinov2_vits14'), ('legacy', 'dinov2_vits14_legacy')):
    assert (networks[way].name, networks[way].resize) == (name, way)


def test_tensors_named_as_in_the_original_repository_are_the_same(drawn):
  original = {}
  for name, value in drawn.items():
    for new, old in (
      ('embeddings.cls_token', 'cls_token'),
      ('embeddings.position_embeddings', 'pos_embed'),
      ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
      ('layernorm', 'norm'),
      ('encoder.layer', 'blocks'),
      ('attention.output.dense', 'attn.proj'),
      ('layer_scale1.lambda1', 'ls1.gamma'),
      ('layer_scale2.lambda1', 'ls2.gamma'),
    ):
      name = name.replace(new, old)
    original[name] = value
  for name in [name for name in original if '.query.' in name]:
    parts = [original.pop(name.replace('query', part)) for part in ('query', 'key', 'value')]
    original[name.replace('attention.attention.query', 'attn.qkv')] = np.concatenate(parts)
  assert {'blocks.11.attn.qkv.bias', 'blocks.0.norm1.weight', 'norm.weight'} < set(original)
  read = dinov2_vits14._from_original(original)
  assert set(read) == set(drawn)
  for name, value in drawn.items():
    np.testing.assert_array_equal(read[name], value)


@pytest.mark.parametrize('shape', [(), (2000, 384), (384,)])
def test_queries_keys_and_values_of_another_shape_are_refused(tmp_path, shape):
  path = tmp_path / 'original.safetensors'
  state = {'cls_token': np.zeros((1, 1, 384)), 'blocks.0.attn.qkv.weight': np.zeros(shape)}
  safetensors.numpy.save_file(state, path)
  with pytest.raises(UserError, match=r'qkv.weight is of shape .*; needed: 1152 rows') as refused:
    dinov2_vits14.load(Request(None, None, str(path)))
  assert '\n' not in str(refused.value)


def test_says_which_setting_names_the_file():
  with pytest.raises(UserError, match=r'--weights=dinov2_vits14=FILE') as refused:
    dinov2_vits14.load(Request(None, None))
  assert 'huggingface.co/facebook/dinov2-small' in str(refused.value)
