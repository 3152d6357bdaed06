"""Depthwise convolution: one two-dimensional filter for each channel.

XLA's CPU backend runs a grouped convolution of one channel a group 5 to 50 times slower than a sum
over the kernel's taps of shifted images times a vector of weights, which it fuses into one loop
vectorised over the channels. On a CPU that sum is used, elsewhere the grouped convolution.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

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
  if isinstance(padding, str):
    rows, columns = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (stride, stride), padding)
    padding = (rows, columns)
  padded = [n + lo + hi for n, (lo, hi) in zip(x.shape[1:3], padding, strict=True)]
  if padded[0] < kernel.shape[0] or padded[1] < kernel.shape[1]:
    raise ValueError(f'kernel {kernel.shape} exceeds the padded images of {padded} pixels')
  return lax.platform_dependent(
    x,
    kernel,
    cpu=functools.partial(_taps, stride=stride, padding=padding),
    default=functools.partial(_grouped, stride=stride, padding=padding),
  )


def _grouped(x: jax.Array, kernel: jax.Array, *, stride: int, padding: Padding) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    kernel[:, :, None],
    (stride, stride),
    padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1],
  )


def _taps(x: jax.Array, kernel: jax.Array, *, stride: int, padding: Padding) -> jax.Array:
  x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
  # The end of a slice that starts at 0 and holds every pixel which the window's corner visits.
  ends = [(n - k) // stride * stride + 1 for n, k in zip(x.shape[1:3], kernel.shape, strict=False)]
  taps = [
    x[:, i : i + ends[0] : stride, j : j + ends[1] : stride] * kernel[i, j]
    for i in range(kernel.shape[0])
    for j in range(kernel.shape[1])
  ]
  return functools.reduce(jnp.add, taps)
