"""Depthwise convolution: one two-dimensional filter for each channel.

XLA's CPU backend runs a grouped convolution of one channel a group 5 to 50 times slower than a sum
over the kernel's taps of shifted images times a vector of weights, which it fuses into one loop
vectorised over the channels. On a CPU that sum is used, elsewhere the grouped convolution. The
gradient of such a sum at the images would be a sum of as many padded arrays, four times slower than
one more sum of taps for each phase of the stride, which is what it is here.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.ops import linear
from gan_jax.ops.window import Window

Padding = tuple[tuple[int, int], tuple[int, int]]


def depthwise(
  x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int | str | Padding = 0
) -> jax.Array:
  """Convolves (cross-correlates) each channel of images with its own filter.

  Differentiable to any order in both arguments.

  Args:
    x: images, `[B, H, W, C]`.
    kernel: one filter a channel, `[kh, kw, C]`.
    stride: step of the window, in pixels, on both axes.
    padding: zeros on every side, or `((top, bottom), (left, right))`, in pixels; or 'SAME', which
      is TensorFlow's: `H' = ceil(H / stride)`, an odd pixel going below and to the right.

  Returns:
    `[B, H', W', C]` with `H' = (H + top + bottom - kh) // stride + 1`, and W' likewise.

  Raises:
    ValueError: where kernel and images differ in channels, or the kernel exceeds the padded image.
  """
  if isinstance(padding, int):
    padding = ((padding, padding), (padding, padding))
  if x.ndim != 4 or kernel.ndim != 3 or kernel.shape[-1] != x.shape[-1]:
    raise ValueError(f'kernel {kernel.shape} must be [kh, kw, C] for images {x.shape} [B, H, W, C]')
  height, width = x.shape[1:3]
  if isinstance(padding, str):
    rows, columns = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (stride, stride), padding)
    padding = (rows, columns)
  size = (kernel.shape[0], kernel.shape[1])
  window = Window((height, width), size, stride, padding, x.shape[-1])
  if min(window.outputs) < 1:
    padded = [n + lo + hi for n, (lo, hi) in zip((height, width), padding, strict=True)]
    raise ValueError(f'kernel {kernel.shape} exceeds the padded images of {padded} pixels')
  return _forward(window, x, kernel)


def _output_shape(window: Window, x: jax.Array, kernel: jax.Array) -> tuple[int, ...]:
  del kernel
  return (x.shape[0], *window.outputs, x.shape[-1])


def _input_shape(window: Window, g: jax.Array, kernel: jax.Array) -> tuple[int, ...]:
  del kernel
  return (g.shape[0], *window.inputs, g.shape[-1])


def _kernel_shape(window: Window, x: jax.Array, g: jax.Array) -> tuple[int, ...]:
  del g
  return (*window.kernel, x.shape[-1])


# --- GPU and TPU: the grouped convolution and its own gradients -----------------------------------


def _grouped(window: Window, x: jax.Array, kernel: jax.Array) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    kernel[:, :, None],
    (window.stride, window.stride),
    window.padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1],
  )


_grouped_input_gradient, _grouped_kernel_gradient = linear.gradients(
  _grouped, _input_shape, _kernel_shape
)


# --- CPU: sums over the taps ----------------------------------------------------------------------


def _shifted(window: Window, x: jax.Array) -> list[jax.Array]:
  """What each tap of the kernel sees of padded images, row by row of the kernel."""
  x = jnp.pad(x, ((0, 0), *window.padding, (0, 0)))
  s = window.stride
  # The end of a slice that starts at 0 and holds every pixel which the window's corner visits.
  ends = [(n - 1) * s + 1 for n in window.outputs]
  places = itertools.product(*map(range, window.kernel))
  return [x[:, i : i + ends[0] : s, j : j + ends[1] : s] for i, j in places]


def _taps(window: Window, x: jax.Array, kernel: jax.Array) -> jax.Array:
  weights = kernel.reshape(-1, kernel.shape[-1])
  pairs = zip(_shifted(window, x), weights, strict=True)
  return functools.reduce(jnp.add, [tap * weight for tap, weight in pairs])


def _taps_kernel_gradient(window: Window, x: jax.Array, g: jax.Array) -> jax.Array:
  sums = [jnp.einsum('bhwc,bhwc->c', tap, g) for tap in _shifted(window, x)]
  return jnp.stack(sums).reshape(*window.kernel, -1)


def _taps_input_gradient(window: Window, g: jax.Array, kernel: jax.Array) -> jax.Array:
  """Padded pixels `s·q + a` of a phase a see the kernel's elements `a + s·m`, from window q − m."""
  s, (b, *_, c) = window.stride, g.shape
  reach = [
    -(-(n + lo + hi) // s) for n, (lo, hi) in zip(window.inputs, window.padding, strict=True)
  ]
  most = [-(-k // s) for k in window.kernel]  # elements of a phase along each axis
  behind = [n - size for n, size in zip(reach, window.outputs, strict=True)]
  padded = jnp.pad(
    g, ((0, 0), *((m - 1, more) for m, more in zip(most, behind, strict=True)), (0, 0))
  )
  phases = []
  for place in itertools.product(range(s), repeat=2):
    own = kernel[place[0] :: s, place[1] :: s]
    terms = []
    for i, j in itertools.product(*map(range, own.shape[:2])):
      top, left = most[0] - 1 - i, most[1] - 1 - j
      terms.append(padded[:, top : top + reach[0], left : left + reach[1]] * own[i, j])
    zeros = jnp.zeros((b, *reach, c), g.dtype)  # of a stride beyond the kernel
    phases.append(functools.reduce(jnp.add, terms) if terms else zeros)
  grid = phases[0]
  if s > 1:
    grid = jnp.stack(phases, axis=3).reshape(b, *reach, s, s, c).transpose(0, 1, 3, 2, 4, 5)
    grid = grid.reshape(b, reach[0] * s, reach[1] * s, c)
  (top, _), (left, _) = window.padding
  return grid[:, top : top + window.inputs[0], left : left + window.inputs[1]]


# --- The three operations -------------------------------------------------------------------------

_forward, _input_gradient, _kernel_gradient = linear.convolution(
  'depthwise',
  shapes=(_output_shape, _input_shape, _kernel_shape),
  plain=(_grouped, _grouped_input_gradient, _grouped_kernel_gradient),
  cpu=(_taps, _taps_input_gradient, _taps_kernel_gradient),
)
