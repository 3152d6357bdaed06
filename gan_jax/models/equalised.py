"""Layers of StyleGAN2 (arXiv:1912.04958): weights N(0, 1), scaled when they are used.

So all of them learn at one rate, whatever their size (equalised learning rate, arXiv:1710.10196).
Resampling is by [1, 3, 3, 1]; where a doubling and a convolution meet they are a transposed
convolution and the filter after it.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.models import noise
from gan_jax.ops import channels as channel_ops
from gan_jax.ops import conv as conv_op
from gan_jax.ops import resample
from gan_jax.ops.pointwise import pointwise

_LEAK, _GAIN = 0.2, math.sqrt(2)


def activate(x: jax.Array, gain: float = 1.0, clamp: float = 0.0) -> jax.Array:
  """Leaky ReLU at a gain that keeps the variance, times another one; clamped, if at all."""
  x = nn.leaky_relu(x, _LEAK) * jnp.asarray(_GAIN * gain, x.dtype)
  return jnp.clip(x, -clamp * gain, clamp * gain) if clamp else x


class Dense(nn.Module):
  """A linear layer with equalised learning rate, times `rate`."""

  features: int
  rate: float = 1.0
  bias_init: float = 0.0
  activated: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[B, C]` to `[B, features]`."""
    init = nn.initializers.normal(1 / self.rate)
    kernel = self.param('kernel', init, (x.shape[-1], self.features))
    bias = self.param('bias', nn.initializers.constant(self.bias_init), (self.features,))
    x = x @ (kernel * (self.rate / math.sqrt(x.shape[-1]))) + bias * self.rate
    return activate(x) if self.activated else x


class Conv(nn.Module):
  """A convolution with equalised learning rate, bias and leaky ReLU; halves, where asked.

  Computed in the images' type, as all layers here; weights are float32.

  Attributes:
    features: of the result.
    kernel: side of the window.
    down: halve the resolution.
    plain: neither bias nor activation.
    clamp: bound of the result's values, times the gain; 0: none.
  """

  features: int
  kernel: int
  down: bool = False
  plain: bool = False
  clamp: float = 0.0

  @nn.compact
  def __call__(self, x: jax.Array, gain: float = 1.0) -> jax.Array:
    """Convolves `[B, H, W, C]`; `gain` is a factor on the result."""
    shape = (self.kernel, self.kernel, x.shape[-1], self.features)
    kernel = self.param('kernel', nn.initializers.normal(1.0), shape)
    kernel = (kernel / math.sqrt(math.prod(shape[:-1]))).astype(x.dtype)
    if self.down:
      x = resample.downsample(x) if self.kernel == 1 else resample.smooth(x, 2)
    stride = 2 if self.down and self.kernel > 1 else 1
    padding = 0 if self.down else self.kernel // 2
    x = _convolve(x, kernel, stride, padding)
    if self.plain:
      return x * jnp.asarray(gain, x.dtype)
    return activate(with_bias(self, x), gain, self.clamp)


def _convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
  if kernel.shape[:2] == (1, 1):
    return pointwise(x, kernel[0, 0])
  return conv_op.conv(x, kernel, stride=stride, padding=padding)


def with_bias(module: nn.Module, x: jax.Array) -> jax.Array:
  """Adds a bias for each channel, a parameter of the module's own."""
  bias = module.param('bias', nn.initializers.zeros, (x.shape[-1],))
  return x + channel_ops.over_pixels(bias.astype(x.dtype)[None], x.shape)


class Modulated(nn.Module):
  """A modulated convolution; its affine layer makes styles of w.

  Scales channels before the convolution and after it, rather than weights for each image
  (StyleGAN2, Section 2.2): the same result by one convolution of the whole batch.
  """

  features: int
  kernel: int = 3
  up: bool = False
  demodulate: bool = True

  @nn.compact
  def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
    """Convolves `[B, H, W, C]` by styles of w, `[B, width]`."""
    shape = (self.kernel, self.kernel, x.shape[-1], self.features)
    kernel = self.param('kernel', nn.initializers.normal(1.0), shape)
    style = Dense(x.shape[-1], bias_init=1.0, name='style')(w)
    if self.demodulate:
      squares = jnp.square(kernel).sum(axis=(0, 1))
      length = jax.lax.rsqrt(jnp.square(style) @ squares + 1e-8)
    else:
      style = style / math.sqrt(shape[2] * self.kernel**2)
    x = x * style[:, None, None].astype(x.dtype)
    kernel = kernel.astype(x.dtype)
    if self.up:
      x = conv_op.conv_transpose(x, kernel.swapaxes(2, 3), stride=2, padding=0)
      x = resample.smooth(x, 1, gain=4.0)
    else:
      x = _convolve(x, kernel, 1, self.kernel // 2)
    return x * length[:, None, None].astype(x.dtype) if self.demodulate else x


class Styled(nn.Module):
  """A modulated convolution, noise, bias and leaky ReLU."""

  features: int
  number: int
  up: bool = False
  noisy: bool = True
  clamp: float = 0.0

  @nn.compact
  def __call__(
    self, x: jax.Array, w: jax.Array, keys: jax.Array | None, gain: float = 1.0
  ) -> jax.Array:
    """Maps `[B, H, W, C]` by styles of w and noise of `keys`, see `noise.planes`."""
    x = Modulated(self.features, up=self.up, name='conv')(x, w)
    if self.noisy:
      x = noise.Noise(self.number, name='noise')(x, keys)
    return activate(with_bias(self, x), gain, self.clamp)
