"""DINOv2 against Hugging Face's, with the same random weights.

The fixture is made by fixtures/make_dinov2_vits14.py, whose `weights` and `images` are copied here.
"""

import pathlib

import numpy as np
import pytest
import safetensors.numpy

from gan_jax.errors import UserError
from gan_jax.features import dinov2_vits14
from gan_jax.features.network import Request

ORACLE = np.load(pathlib.Path(__file__).parent / 'fixtures' / 'dinov2_vits14.npz')


def weights(shapes):
  rng = np.random.default_rng(0)
  state = {}
  for name in sorted(shapes):
    shape = shapes[name]
    if 'norm' in name or 'lambda' in name:
      state[name] = 0.5 + rng.random(shape, np.float32)
    elif name.endswith('weight'):
      scale = np.float32(np.prod(shape[1:]) ** -0.5)
      state[name] = rng.standard_normal(shape, np.float32) * scale
    else:
      state[name] = 0.5 * rng.standard_normal(shape, np.float32)
  return state


def images(size):
  rng = np.random.default_rng(size)
  slope = np.linspace(-1, 1, size)[None, :, None, None] * rng.normal(size=(4, 1, 1, 3))
  noise = rng.normal(size=(4, size, size, 3))
  colour = rng.normal(size=(4, 1, 1, 3))
  return (128 + 50 * (colour + slope + noise)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def drawn():
  return weights(dinov2_vits14.shapes())


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


def test_says_which_setting_names_the_file():
  with pytest.raises(UserError, match=r'--weights=dinov2_vits14=FILE') as refused:
    dinov2_vits14.load(Request(None, None))
  assert 'huggingface.co/facebook/dinov2-small' in str(refused.value)
