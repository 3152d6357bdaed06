"""Layers that more than one architecture uses."""

import math
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.ops import channels, columns
from gan_jax.ops import conv as conv_op
from gan_jax.ops.depthwise import depthwise
from gan_jax.ops.pointwise import pointwise

Initializer = Callable[..., jax.Array]
Resolution = int | tuple[int, int]
"""Of an image: the side of a square, or height and width, pixels."""


def sides(resolution: Resolution) -> tuple[int, int]:
  """Height and width."""
  return (resolution, resolution) if isinstance(resolution, int) else resolution


def base(
  resolution: Resolution, network: str, accepted: Collection[int]
) -> tuple[int, tuple[int, int]]:
  """The shorter side, and height and width of features at 4 pixels of it.

  Raises:
    UserError: naming the network, for a shorter side that is not among those accepted, and for a
      longer one that does not end in whole pixels.
  """
  short = min(sides(resolution))
  if short not in accepted:
    raise UserError(
      f'config.dataset.resolution={short}: {network} makes {", ".join(map(str, accepted))} pixels'
    )
  return short, first_size(resolution, network, short // 4)


def first_size(resolution: Resolution, network: str, times: int) -> tuple[int, int]:
  """Height and width of the features that an image is so many times the size of.

  Raises:
    UserError: naming the network, for a longer side that does not end in whole pixels.
  """
  height, width = sides(resolution)
  if max(height, width) % times:
    raise UserError(
      f'config.dataset.resolution={height}, dataset.width={width}: {network} makes a longer side '
      f'that is a multiple of {times} here'
    )
  return height // times, width // times


def class_weights(labels: jax.Array, num_classes: int) -> jax.Array:
  """The weight of every class, `[B, num_classes]`: one-hot of labels `[B]`, or those given."""
  return labels if labels.ndim == 2 else jax.nn.one_hot(labels, num_classes)


def looked_up(table: jax.Array, labels: jax.Array) -> jax.Array:
  """Rows of a table `[num_classes, F]` by labels `[B]`, or by weights of the classes, mixed."""
  return labels @ table if labels.ndim == 2 else table[labels]


class Embed(nn.Embed):
  """A table of the classes that also takes weights of them `[B, num_classes]`, and mixes rows."""

  def __call__(self, inputs: Any) -> jax.Array:
    """Looks up `[B, features]`."""
    return inputs @ self.embedding if inputs.ndim == 2 else super().__call__(inputs)


def check_positive(section: str, network: nn.Module, names: tuple[str, ...]) -> None:
  """Raises UserError for an attribute, a number or a tuple of them, that is not positive."""
  for name in names:
    value = getattr(network, name)
    if min(value if isinstance(value, tuple) else (value,), default=0) < 1:
      raise UserError(f'config.{section}.{name}={value}: must be positive')


def check_choice(section: str, network: nn.Module, name: str, accepted: tuple[str, ...]) -> None:
  """Raises UserError for an attribute that is none of the accepted words."""
  value = getattr(network, name)
  if value not in accepted:
    raise UserError(f'config.{section}.{name}={value!r}: accepted: {", ".join(accepted)}')


def rms(x: jax.Array, epsilon: float) -> jax.Array:
  """Brings the last axis to a root mean square of 1."""
  squares = jnp.square(x.astype(jnp.float32)).mean(axis=-1, keepdims=True)
  return x * jax.lax.rsqrt(squares + epsilon).astype(x.dtype)


def with_deviation(x: jax.Array, group: int, parts: int) -> jax.Array:
  """Features with a channel more: the standard deviation in the image's group (arXiv:1710.10196).

  Groups are neighbours in the batch, so that they are the same however it is divided over devices,
  as long as a device's part of it holds whole groups.
  """
  B, H, W, C = x.shape
  size = math.gcd(B // parts, group)
  grouped = x.reshape(B // size, size, H, W, C)
  centred = grouped - grouped.mean(axis=1, keepdims=True)
  deviation = jnp.sqrt(jnp.square(centred).mean(axis=1) + 1e-8).mean(axis=(1, 2, 3))
  return jnp.concatenate(
    [x, jnp.broadcast_to(deviation.repeat(size)[:, None, None, None], (B, H, W, 1))], axis=3
  )


class Conv(nn.Module):
  """Convolution without bias on `[B, H, W, C]`, computed in the images' type; weights are float32.

  Attributes:
    features: channels of the result.
    kernel: side of the square window, or its height and width, pixels.
    stride: step of the window, pixels.
    padding: zeros on every side, pixels.
    groups: channel groups that do not see each other.
    kernel_init: initializer of the kernel `[h, w, C / groups, features]`.
    merged: columns that are one in the images and in the result, see `columns`; above 1 the result
      has the size of the images, whatever the padding.
  """

  features: int
  kernel: Resolution
  stride: int = 1
  padding: int = 0
  groups: int = 1
  kernel_init: Initializer = nn.initializers.lecun_normal()
  merged: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Convolves `[B, H, W, C]`."""
    shape = (*sides(self.kernel), x.shape[-1] // self.merged // self.groups, self.features)
    kernel = self.param('kernel', self.kernel_init, shape).astype(x.dtype)
    if self.merged > 1:
      return columns.conv(x, kernel, self.merged, self.groups)
    if self.kernel == 1 and self.stride == 1 and self.groups == 1 and self.padding == 0:
      return pointwise(x, kernel[0, 0])
    return conv_op.conv(x, kernel, stride=self.stride, padding=self.padding, groups=self.groups)


class DepthwiseConv(nn.Module):
  """Convolution of each channel with a filter of its own, without bias; kernel `[h, w, C]`."""

  kernel: int
  padding: int = 0
  kernel_init: Initializer = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Filters `[B, H, W, C]`."""
    shape = (self.kernel, self.kernel, x.shape[-1])
    kernel = self.param('kernel', self.kernel_init, shape).astype(x.dtype)
    return depthwise(x, kernel, padding=self.padding)


class ConvTranspose(nn.Module):
  """Transposed convolution without bias, `[B, H, W, C]` to `[B, H', W', features]`.

  The kernel is `[h, w, features, C]`: that of the convolution which this is the transpose of.
  """

  features: int
  kernel: Resolution
  stride: int = 2
  padding: int = 0
  kernel_init: Initializer = nn.initializers.lecun_normal()

  @property
  def output_axis(self) -> int:
    """The kernel's axis of the result's channels."""
    return -2

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Enlarges `[B, H, W, C]` to `H' = (H - 1) * stride + k - 2 * padding`."""
    shape = (*sides(self.kernel), self.features, x.shape[-1])
    kernel = self.param('kernel', self.kernel_init, shape).astype(x.dtype)
    return conv_op.conv_transpose(x, kernel, stride=self.stride, padding=self.padding)


def enlarge(x: jax.Array) -> jax.Array:
  """Doubles height and width of `[B, H, W, C]`: every pixel four times."""
  B, H, W, C = x.shape
  return jnp.broadcast_to(x[:, :, None, :, None], (B, H, 2, W, 2, C)).reshape(B, 2 * H, 2 * W, C)


def halve(x: jax.Array) -> jax.Array:
  """Halves height and width of `[B, H, W, C]`: the mean of every four pixels."""
  B, H, W, C = x.shape
  return x.reshape(B, H // 2, 2, W // 2, 2, C).mean(axis=(2, 4))


class ConvUp(nn.Module):
  """`enlarge`, then a 3×3 convolution without bias, in one.

  Of the enlarged image's pixels two or four under the window are the same one, so that their
  weights add up: a transposed convolution with 4×4 weights, of 16 products a pixel of the small
  image where there would be 36.
  """

  features: int
  kernel_init: Initializer = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[B, H, W, C]` to `[B, 2 H, 2 W, features]`."""
    kernel = self.param('kernel', self.kernel_init, (3, 3, x.shape[-1], self.features))
    wide = _doubled(kernel[::-1, ::-1]).swapaxes(2, 3).astype(x.dtype)
    return conv_op.conv_transpose(x, wide, stride=2, padding=1)


class ConvDown(nn.Module):
  """A 3×3 convolution without bias, then `halve`, in one: with 4×4 weights and stride 2."""

  features: int
  kernel_init: Initializer = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[B, H, W, C]` to `[B, H / 2, W / 2, features]`."""
    kernel = self.param('kernel', self.kernel_init, (3, 3, x.shape[-1], self.features))
    wide = (_doubled(kernel) / 4).astype(x.dtype)
    return conv_op.conv(x, wide, stride=2, padding=1, groups=1)


def _doubled(kernel: jax.Array) -> jax.Array:
  """A kernel `[h, w, …]` and itself moved by a pixel along each axis, added."""
  for axis in (0, 1):
    ends = [(0, 1) if each == axis else (0, 0) for each in range(kernel.ndim)]
    moved = [(1, 0) if each == axis else (0, 0) for each in range(kernel.ndim)]
    kernel = jnp.pad(kernel, ends) + jnp.pad(kernel, moved)
  return kernel


class Bias(nn.Module):
  """A bias for each channel of `[..., C]`, zero at first; float32, added in the images' type.

  Attributes:
    merged: columns that are one in the images, see `columns`.
  """

  merged: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Adds the bias."""
    bias = self.param('bias', nn.initializers.zeros, (x.shape[-1] // self.merged,))
    if self.merged > 1:
      bias = jnp.tile(bias, self.merged)
    return x + channels.over_pixels(bias.astype(x.dtype)[None], x.shape)


class BatchNorm(nn.Module):
  """Batch normalisation of `[..., C]` (Ioffe and Szegedy 2015, arXiv:1502.03167), in float32.

  The result has the images' type. A training batch's statistics are those of all devices of
  `axis_name`. Their moving averages, which normalise outside training, are the collection
  `batch_stats`.

  Attributes:
    momentum: share of the old value in an update of the moving averages.
    epsilon: added to the variance.
    affine: learn a scale and a shift for each channel.
    scale_init: initializer of the scale, `[C]`.
    axis_name: mapped axis of devices, or None.
    parts: batches, one after the other in the rows, that are normalised each by itself, as if by
      one call after the other.
    track: keep the moving averages; without, every pass normalises by its batch.
  """

  momentum: float = 0.9
  epsilon: float = 1e-5
  affine: bool = True
  scale_init: Initializer = nn.initializers.ones
  axis_name: str | None = None
  parts: int = 1
  track: bool = True

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """Normalises by the batch's statistics where `train`, else by the moving averages."""
    shape, dtype = (x.shape[-1],), x.dtype
    x = x.astype(jnp.float32)
    averages = []
    if self.track:
      averages = [
        self.variable('batch_stats', 'mean', jnp.zeros, shape),
        self.variable('batch_stats', 'var', jnp.ones, shape),
      ]
    if train or not averages:
      over_devices = lambda moment: (
        moment
        if self.axis_name is None or self.is_initializing()
        else jax.lax.pmean(moment, self.axis_name)
      )
      mean = over_devices(channels.channel_mean(x, self.parts))
      # Not E x² − (E x)², of which a mean far from zero leaves too few digits for gradients. For
      # derivatives the centre is a constant; what it leaves out is the last term, of value 0.
      centre = jax.lax.stop_gradient(mean)
      squares = jnp.square(x - channels.over_pixels(centre, x.shape))
      variance = over_devices(channels.channel_mean(squares, self.parts))
      variance -= jnp.square(mean - centre)
      if averages and not self.is_initializing():
        for average, new in zip(averages, (mean, variance), strict=True):
          for part in new:
            average.value = self.momentum * average.value + (1 - self.momentum) * part
    else:
      mean, variance = (average.value[None] for average in averages)
    scale = jax.lax.rsqrt(variance + self.epsilon)
    if self.affine:
      scale *= self.param('scale', self.scale_init, shape)
    shift = -mean * scale
    if self.affine:
      shift += self.param('bias', nn.initializers.zeros, shape)
    x = x * channels.over_pixels(scale, x.shape) + channels.over_pixels(shift, x.shape)
    return x.astype(dtype)
