"""Layers that more than one architecture uses."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.ops import conv as conv_op

Initializer = Callable[..., jax.Array]


class Conv(nn.Module):
  """Convolution without bias on `[B, H, W, C]`; the result is in `dtype`, weights are float32.

  Attributes:
    features: channels of the result.
    kernel: side of the square window, pixels.
    stride: step of the window, pixels.
    padding: zeros on every side, pixels.
    groups: channel groups that do not see each other.
    kernel_init: initializer of the kernel `[k, k, C / groups, features]`.
    dtype: of the computation.
  """

  features: int
  kernel: int
  stride: int = 1
  padding: int = 0
  groups: int = 1
  kernel_init: Initializer = nn.initializers.lecun_normal()
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Convolves `[B, H, W, C]`."""
    shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
    kernel = self.param('kernel', self.kernel_init, shape).astype(self.dtype)
    x = x.astype(self.dtype)
    if self.kernel == 1 and self.stride == 1 and self.groups == 1 and self.padding == 0:
      # A product of two matrices is what every platform runs best; over more axes than two, the
      # CPU would copy a transpose of the images for the gradient.
      return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], self.features)
    return conv_op.conv(x, kernel, stride=self.stride, padding=self.padding, groups=self.groups)


class ConvTranspose(nn.Module):
  """Transposed convolution without bias, `[B, H, W, C]` to `[B, H', W', features]`.

  The kernel is `[k, k, features, C]`: that of the convolution which this is the transpose of.
  """

  features: int
  kernel: int
  stride: int = 2
  padding: int = 0
  kernel_init: Initializer = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Enlarges `[B, H, W, C]` to `H' = (H - 1) * stride + k - 2 * padding`."""
    shape = (self.kernel, self.kernel, self.features, x.shape[-1])
    kernel = self.param('kernel', self.kernel_init, shape)
    return conv_op.conv_transpose(x, kernel, stride=self.stride, padding=self.padding)
