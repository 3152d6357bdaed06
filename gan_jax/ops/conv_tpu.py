"""Convolution and its two gradients for TPUs: of bfloat16, in groups that fill the lanes.

A TPU multiplies bfloat16. Of a convolution of float32 XLA rounds what is read, within its loop, as
long as nothing else is asked for (`jax_default_matmul_precision`): the result is that of rounded
arguments, but 4 bytes a value are kept for the gradient and read. Here arguments are rounded
beforehand, by whatever makes them, for the same result of 2 bytes a value.

The gradients are written out: JAX has none of a convolution from one type to another.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.ops import lanes
from gan_jax.ops.window import Window

_ROUNDING = (None, 'default', 'fastest', 'bfloat16')
"""Precisions of products, of JAX's setting, with which a TPU rounds float32 to bfloat16."""


def forward(window: Window, x: jax.Array, w: jax.Array) -> jax.Array:
  """Convolves images `[B, H, W, C]` with a kernel `[kh, kw, C / groups, F]`."""
  merged = _merged(window, w.shape)
  return _convolve(
    x,
    lanes.spread(w, window.groups, merged),
    ('NHWC', 'HWIO', 'NHWC'),
    window.padding,
    window_strides=(window.stride, window.stride),
    feature_group_count=window.groups // merged,
  )


def input_gradient(window: Window, g: jax.Array, w: jax.Array) -> jax.Array:
  """The gradient at the images, of that at the result and of the kernel."""
  merged = _merged(window, w.shape)
  w, groups = lanes.spread(w, window.groups, merged), window.groups // merged
  kh, kw, channels, features = w.shape
  if groups > 1:  # rows of a kernel of groups are the channels of one of them
    w = w.reshape(kh, kw, channels, groups, -1).swapaxes(2, 3)
    w = w.reshape(kh, kw, groups * channels, features // groups)
  before = [k - 1 - lo for k, (lo, _) in zip(window.kernel, window.padding, strict=True)]
  return _convolve(
    g,
    w[::-1, ::-1],
    ('NHWC', 'HWOI', 'NHWC'),
    _reaching(window.inputs, _spread_out(window), window.kernel, before),
    lhs_dilation=(window.stride, window.stride),
    feature_group_count=groups,
  )


def weight_gradient(window: Window, x: jax.Array, g: jax.Array) -> jax.Array:
  """The gradient at the kernel, of the images and of that at the result."""
  shape = (*window.kernel, x.shape[-1] // window.groups, g.shape[-1])
  merged = _merged(window, shape)
  dw = _convolve(
    x,
    g,
    ('CHWN', 'IHWO', 'HWNC'),
    _reaching(window.kernel, window.inputs, _spread_out(window), [lo for lo, _ in window.padding]),
    rhs_dilation=(window.stride, window.stride),
    batch_group_count=window.groups // merged,
  )
  of = jax.ShapeDtypeStruct(shape, dw.dtype)
  (dw,) = jax.linear_transpose(lambda w: lanes.spread(w, window.groups, merged), of)(dw)
  return dw


def _merged(window: Window, kernel: tuple[int, ...]) -> int:
  return lanes.merging(window.groups, min(kernel[2], kernel[3] // window.groups))


def _spread_out(window: Window) -> list[int]:
  """Height and width of a result whose pixels are a stride apart."""
  return [(n - 1) * window.stride + 1 for n in window.outputs]


def _reaching(results: Any, inputs: Any, kernel: Any, before: Any) -> list[tuple[int, int]]:
  """Padding that begins with `before` and makes so many results out of so many inputs."""
  sizes = zip(results, inputs, kernel, before, strict=True)
  return [(lo, m + k - 1 - n - lo) for m, n, k, lo in sizes]


def _convolve(
  x: jax.Array, w: jax.Array, layout: tuple[str, str, str], padding: Any, **options: Any
) -> jax.Array:
  made = x.dtype
  if made == jnp.float32 and jax.config.values['jax_default_matmul_precision'] in _ROUNDING:
    x, w = x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
  return lax.conv_general_dilated(
    x,
    w,
    **{'window_strides': (1, 1), **options},
    padding=padding,
    dimension_numbers=layout,
    preferred_element_type=made,
  )
