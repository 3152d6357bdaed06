"""Large images of few channels, with neighbouring columns of pixels merged into the channels.

A TPU keeps images in tiles of 128 lanes, and fills what channels leave empty: at 1,024 pixels 24
channels take the memory of 128. Four columns merged are 96 channels of a quarter of the width. To
merge them is a reshape, which elsewhere moves nothing; a layer between then makes of columns
merged what it makes of columns. On a TPU a convolution does so by a kernel of all pairs of merged
columns, zero where the window does not reach; elsewhere they are parted for it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.ops import conv as conv_op
from gan_jax.ops import conv_tpu, lanes, linear
from gan_jax.ops.pointwise import pointwise
from gan_jax.ops.window import Window

_LANES = 128
_LARGE = 2**16  # pixels of an image: smaller ones are not what fills a device's memory


def merging(shape: tuple[int, ...], channels: int) -> int:
  """How many columns of images to merge: a power of two, the most that the lanes hold.

  Args:
    shape: of the images, `[B, H, W, ...]`.
    channels: of what is made of them.

  Returns:
    1 for images of fewer than 256×256 pixels, and where two columns are more than the lanes.
  """
  count, (height, width) = 1, shape[1:3]
  if height * width >= _LARGE:
    while 2 * count * channels <= _LANES and width % (2 * count) == 0:
      count *= 2
  return count


def merge(x: jax.Array, count: int) -> jax.Array:
  """Images `[B, H, W, C]` as `[B, H, W / count, count * C]`."""
  b, h, w, c = x.shape
  return x.reshape(b, h, w // count, count * c)


def part(x: jax.Array, count: int) -> jax.Array:
  """Undoes `merge`."""
  b, h, w, c = x.shape
  return x.reshape(b, h, w * count, c // count)


def conv(x: jax.Array, kernel: jax.Array, count: int, groups: int = 1) -> jax.Array:
  """Convolves images whose columns are merged, to images of the same size.

  Args:
    x: `merge` of `[B, H, W, C]`.
    kernel: `[k, k, C / groups, F]`, k odd; outside the image is zero.
    count: of columns that are one, no fewer than k // 2.
    groups: number of channel groups that do not see each other.

  Returns:
    `merge` of `[B, H, W, F]`.

  Raises:
    ValueError: where the kernel reaches beyond the next merged column.
  """
  k = kernel.shape[0]
  if k // 2 > count:
    raise ValueError(f'kernel {kernel.shape} reaches further than {count} columns')
  pads = (k // 2, k // 2)
  window = Window((x.shape[1], x.shape[2] * count), (k, k), 1, (pads, pads), groups)
  return _forward((window, count), x, kernel)


_Static = tuple[Window, int]


def _output_shape(static: _Static, x: jax.Array, w: jax.Array) -> tuple[int, ...]:
  return (*x.shape[:-1], static[1] * w.shape[3])


def _input_shape(static: _Static, g: jax.Array, w: jax.Array) -> tuple[int, ...]:
  return (*g.shape[:-1], static[1] * static[0].groups * w.shape[2])


def _kernel_shape(static: _Static, x: jax.Array, g: jax.Array) -> tuple[int, ...]:
  window, count = static
  return (*window.kernel, x.shape[-1] // count // window.groups, g.shape[-1] // count)


# --- All platforms but TPUs: columns apart --------------------------------------------------------


def _apart(static: _Static, x: jax.Array, w: jax.Array) -> jax.Array:
  window, count = static
  x = part(x, count)
  if window.kernel == (1, 1) and window.groups == 1:
    return merge(pointwise(x, w[0, 0]), count)
  padding = window.padding
  return merge(conv_op.conv(x, w, padding=padding, groups=window.groups), count)


_apart_at_images, _apart_at_kernel = linear.gradients(_apart, _input_shape, _kernel_shape)


# --- TPU: a kernel of merged columns --------------------------------------------------------------


def _of_merged(static: _Static, w: jax.Array) -> jax.Array:
  """The kernel `[k, 3 or 1, count * C, count * F]` that convolves merged columns."""
  window, count = static
  w = lanes.spread(w, window.groups, window.groups)
  k, _, channels, features = w.shape
  taps = _taps(k, count)
  merged = jnp.einsum('bpqj,ijcf->ibpcqf', jnp.asarray(taps, w.dtype), w)
  return merged.reshape(k, len(taps), count * channels, count * features)


def _taps(k: int, count: int) -> np.ndarray:
  """Whether column p of merged column b is at tap j of the window of column q, `[b, p, q, j]`."""
  reach = 1 if k > 1 else 0
  b, p, q, j = np.ogrid[-reach : reach + 1, :count, :count, :k]
  return (count * b + p - q + k // 2 == j).astype(np.float32)


def _merged_window(static: _Static) -> Window:
  window, count = static
  reach = 1 if window.kernel[1] > 1 else 0
  return Window(
    (window.inputs[0], window.inputs[1] // count),
    (window.kernel[0], 2 * reach + 1),
    1,
    (window.padding[0], (reach, reach)),
    1,
  )


def _merged(static: _Static, x: jax.Array, w: jax.Array) -> jax.Array:
  return conv_tpu.forward(_merged_window(static), x, _of_merged(static, w))


def _merged_at_images(static: _Static, g: jax.Array, w: jax.Array) -> jax.Array:
  return conv_tpu.input_gradient(_merged_window(static), g, _of_merged(static, w))


def _merged_at_kernel(static: _Static, x: jax.Array, g: jax.Array) -> jax.Array:
  merged = conv_tpu.weight_gradient(_merged_window(static), x, g)
  of = jax.ShapeDtypeStruct(_kernel_shape(static, x, g), x.dtype)
  found: Any = jax.linear_transpose(lambda w: _of_merged(static, w), of)(merged)
  return found[0]


# --- The three operations -------------------------------------------------------------------------

_plain = _apart, _apart_at_images, _apart_at_kernel
_forward, _input_gradient, _weight_gradient = linear.convolution(
  'conv_of_columns',
  shapes=(_output_shape, _input_shape, _kernel_shape),
  plain=_plain,
  cpu=_plain,
  tpu=(_merged, _merged_at_images, _merged_at_kernel),
)
