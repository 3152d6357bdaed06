"""Inception-v3 as the published FID uses it: features and class scores of images of 299 x 299.

The network of Szegedy et al. (arXiv:1512.00567) in TensorFlow's release `inception-2015-12-05`, on
which FID is defined (Heusel et al., arXiv:1706.08500). It differs from torchvision's: its average
pools do not count the padding, and the last block pools by maxima. The weights are those that
pytorch-fid carried over to PyTorch, and the features are its features.

Images are scaled as clean-fid does (`antialias`, Parmar et al., arXiv:2104.11222) or as pytorch-fid
does (`legacy`); FIDs of the two cannot be compared.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.features import chunks, resize
from gan_jax.features.network import FeatureNetwork, Request, Resize, score_name
from gan_jax.features.weights import Shapes, State, read_weights

RESIZES = True
TAKES_WEIGHTS = True

FEATURE_SIZE = 2048
CLASSES = 1008
_IMAGE_SIZE = (299, 299)
_BN_EPSILON = 1e-3
_FILE = 'pt_inception-2015-12-05-6726825d.pth'
_PUBLISHED = f'{_FILE} (https://github.com/mseitzer/pytorch-fid/releases, fid_weights)'
# Images at a time on a CPU: at 5.5 MB an image, the widest activation (147 x 147 x 64) of a whole
# batch leaves the caches.
_CPU_CHUNK = 2
_LAYOUT = ('NHWC', 'HWIO', 'NHWC')

Params = dict[str, Any]
# `(name, x, width, kernel=1, stride=1, padding='SAME')`: a convolution, its batch norm and ReLU.
Conv = Callable[..., jax.Array]


def load(request: Request) -> FeatureNetwork:
  """Reads the weights from the file that the user names.

  Args:
    request: of it `weights`, a PyTorch state dict (.pth) or the same tensors as .safetensors, and
      `resize`.

  Returns:
    The network. Its `apply` gives the 2,048 features after the global average pool, and as logits
    their products with the weights of TensorFlow's 1,008 classes, without the biases, as the
    Inception Score of torch-fidelity takes them.

  Raises:
    UserError: if no file is named, or it does not hold these weights.
  """
  legacy = request.resize == 'legacy'
  state = read_weights(request.weights, 'inception_v3', _PUBLISHED, shapes())
  scaling = 'bilinear, not antialiased' if legacy else 'antialiased bicubic'
  return FeatureNetwork(
    name=score_name('inception_v3', request.resize),
    params=_fold_batch_norms(state),
    apply=functools.partial(_apply, way=request.resize),
    description={
      'architecture': 'Inception-v3 (arXiv:1512.00567), variant of FID (arXiv:1706.08500)',
      'source': 'file that the user named; published: ' + _PUBLISHED,
      'trained_on': 'ImageNet-1k',
      'input': f'299x299 RGB, {scaling} resize, x / 127.5 - 1',
    },
    resize=request.resize,
  )


def shapes() -> Shapes:
  """Names and shapes, `[out, in, height, width]`, of the tensors of the file that are read."""
  found: Shapes = {}

  def conv(name, x, width, kernel=1, stride=1, padding='SAME'):  # type: ignore[no-untyped-def]
    height, breadth = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    found[f'{name}.conv.weight'] = (width, x.shape[-1], height, breadth)
    for part in ('weight', 'bias', 'running_mean', 'running_var'):
      found[f'{name}.bn.{part}'] = (width,)
    zeros = jnp.zeros((height, breadth, x.shape[-1], width))
    return _convolve(x, zeros, stride, padding)

  # The network itself, followed without computing anything, says what it needs.
  jax.eval_shape(lambda x: _trunk(conv, x), jax.ShapeDtypeStruct((1, *_IMAGE_SIZE, 3), jnp.float32))
  return found | {'fc.weight': (CLASSES, FEATURE_SIZE)}


def _fold_batch_norms(state: State) -> Params:
  """Turns each convolution and its batch norm into one kernel `[h, w, in, out]` and one bias."""
  params: Params = {'fc': jnp.asarray(state['fc.weight'].T)}
  for name in [n.removesuffix('.conv.weight') for n in state if n.endswith('.conv.weight')]:
    norm = {p: state[f'{name}.bn.{p}'] for p in ('weight', 'bias', 'running_mean', 'running_var')}
    gain = norm['weight'] / np.sqrt(norm['running_var'] + _BN_EPSILON)
    kernel = state[f'{name}.conv.weight'].transpose(2, 3, 1, 0) * gain
    bias = norm['bias'] - gain * norm['running_mean']
    params[name] = {'kernel': jnp.asarray(kernel), 'bias': jnp.asarray(bias)}
  return params


@functools.partial(jax.jit, static_argnames='way')
def _apply(params: Params, images: jax.Array, way: Resize) -> tuple[jax.Array, jax.Array]:
  pooled = chunks.run(functools.partial(_features, way), params, images, _CPU_CHUNK)
  with jax.default_matmul_precision('float32'):
    return pooled, pooled @ params['fc']


def _features(way: Resize, params: Params, images: jax.Array) -> jax.Array:
  def conv(name, x, width, kernel=1, stride=1, padding='SAME'):  # type: ignore[no-untyped-def]
    layer = params[name]
    return jax.nn.relu(_convolve(x, layer['kernel'], stride, padding) + layer['bias'])

  x = resize.to_rgb(images, _IMAGE_SIZE, 'linear' if way == 'legacy' else 'cubic', way)
  return _trunk(conv, x / 127.5 - 1)


def _convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
  return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)


def _trunk(conv: Conv, x: jax.Array) -> jax.Array:
  """Maps images `[B, 299, 299, 3]` in [-1, 1] to `[B, 2048]`, the mean of the last feature map."""
  x = conv('Conv2d_1a_3x3', x, 32, 3, 2, 'VALID')
  x = conv('Conv2d_2a_3x3', x, 32, 3, 1, 'VALID')
  x = conv('Conv2d_2b_3x3', x, 64, 3)
  x = _max_pool(x, 2, 'VALID')
  x = conv('Conv2d_3b_1x1', x, 80)
  x = conv('Conv2d_4a_3x3', x, 192, 3, 1, 'VALID')
  x = _max_pool(x, 2, 'VALID')
  for letter, width in zip('bcd', (32, 64, 64), strict=True):
    x = _block_a(conv, f'Mixed_5{letter}.branch', x, width)
  x = _block_b(conv, 'Mixed_6a.branch', x)
  for letter, width in zip('bcde', (128, 160, 160, 192), strict=True):
    x = _block_c(conv, f'Mixed_6{letter}.branch', x, width)
  x = _block_d(conv, 'Mixed_7a.branch', x)
  x = _block_e(conv, 'Mixed_7b.branch', x, _average_pool)
  x = _block_e(conv, 'Mixed_7c.branch', x, lambda x: _max_pool(x, 1, 'SAME'))
  return jnp.mean(x, axis=(1, 2))


def _block_a(conv: Conv, at: str, x: jax.Array, width: int) -> jax.Array:
  """35 x 35."""
  y = conv(f'{at}5x5_2', conv(f'{at}5x5_1', x, 48), 64, 5)
  z = conv(f'{at}3x3dbl_2', conv(f'{at}3x3dbl_1', x, 64), 96, 3)
  z = conv(f'{at}3x3dbl_3', z, 96, 3)
  pooled = conv(f'{at}_pool', _average_pool(x), width)
  return _join(conv(f'{at}1x1', x, 64), y, z, pooled)


def _block_b(conv: Conv, at: str, x: jax.Array) -> jax.Array:
  """35 x 35 to 17 x 17."""
  y = conv(f'{at}3x3dbl_2', conv(f'{at}3x3dbl_1', x, 64), 96, 3)
  y = conv(f'{at}3x3dbl_3', y, 96, 3, 2, 'VALID')
  return _join(conv(f'{at}3x3', x, 384, 3, 2, 'VALID'), y, _max_pool(x, 2, 'VALID'))


def _block_c(conv: Conv, at: str, x: jax.Array, width: int) -> jax.Array:
  """17 x 17."""
  y = conv(f'{at}7x7_2', conv(f'{at}7x7_1', x, width), width, (1, 7))
  y = conv(f'{at}7x7_3', y, 192, (7, 1))
  z = conv(f'{at}7x7dbl_1', x, width)
  for part, kernel in ((2, (7, 1)), (3, (1, 7)), (4, (7, 1))):
    z = conv(f'{at}7x7dbl_{part}', z, width, kernel)
  z = conv(f'{at}7x7dbl_5', z, 192, (1, 7))
  pooled = conv(f'{at}_pool', _average_pool(x), 192)
  return _join(conv(f'{at}1x1', x, 192), y, z, pooled)


def _block_d(conv: Conv, at: str, x: jax.Array) -> jax.Array:
  """17 x 17 to 8 x 8."""
  y = conv(f'{at}3x3_2', conv(f'{at}3x3_1', x, 192), 320, 3, 2, 'VALID')
  z = conv(f'{at}7x7x3_2', conv(f'{at}7x7x3_1', x, 192), 192, (1, 7))
  z = conv(f'{at}7x7x3_3', z, 192, (7, 1))
  z = conv(f'{at}7x7x3_4', z, 192, 3, 2, 'VALID')
  return _join(y, z, _max_pool(x, 2, 'VALID'))


def _block_e(
  conv: Conv, at: str, x: jax.Array, pool: Callable[[jax.Array], jax.Array]
) -> jax.Array:
  """8 x 8."""
  y = conv(f'{at}3x3_1', x, 384)
  y = _join(conv(f'{at}3x3_2a', y, 384, (1, 3)), conv(f'{at}3x3_2b', y, 384, (3, 1)))
  z = conv(f'{at}3x3dbl_2', conv(f'{at}3x3dbl_1', x, 448), 384, 3)
  z = _join(conv(f'{at}3x3dbl_3a', z, 384, (1, 3)), conv(f'{at}3x3dbl_3b', z, 384, (3, 1)))
  return _join(conv(f'{at}1x1', x, 320), y, z, conv(f'{at}_pool', pool(x), 192))


def _join(*parts: jax.Array) -> jax.Array:
  return jnp.concatenate(parts, axis=-1)


# Pools as maxima and sums of slices, one axis after the other: XLA's CPU backend runs
# `reduce_window` several times slower.


def _max_pool(x: jax.Array, stride: int, padding: str) -> jax.Array:
  """Largest of 3 x 3 pixels."""
  if padding == 'SAME':
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
  for axis in (1, 2):
    x = functools.reduce(jnp.maximum, _three(x, axis, stride))
  return x


def _average_pool(x: jax.Array) -> jax.Array:
  """Mean of those of the 3 x 3 pixels about each that lie within the image."""
  counts = [np.r_[2, [3] * (n - 2), 2] for n in x.shape[1:3]]
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  for axis in (1, 2):
    x = functools.reduce(jnp.add, _three(x, axis, 1))
  return x / np.outer(*counts)[:, :, None].astype(np.float32)


def _three(x: jax.Array, axis: int, stride: int) -> list[jax.Array]:
  """The first, second and third pixel of every window of three."""
  last = (x.shape[axis] - 3) // stride * stride
  return [lax.slice_in_dim(x, i, i + last + 1, stride, axis) for i in range(3)]
