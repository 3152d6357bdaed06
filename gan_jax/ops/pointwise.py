"""Products of each pixel's channels with a matrix: convolutions of 1×1 pixels.

On a TPU it is a convolution: images lie there with the batch or the channels in the lanes, and to
make rows of pixels out of them, as a product of two matrices takes them, all of them are copied.
Elsewhere it is that product, for which nothing is moved.
"""

from typing import Any

import jax

from gan_jax.ops import conv_tpu, linear
from gan_jax.ops.window import Window


def pointwise(x: jax.Array, matrix: jax.Array) -> jax.Array:
  """Multiplies the channels of `[..., C]` with a matrix `[C, F]`, to `[..., F]`."""
  return _forward(None, x, matrix)


def _forward_shape(_: Any, x: jax.Array, matrix: jax.Array) -> tuple[int, ...]:
  return (*x.shape[:-1], matrix.shape[1])


def _input_shape(_: Any, g: jax.Array, matrix: jax.Array) -> tuple[int, ...]:
  return (*g.shape[:-1], matrix.shape[0])


def _matrix_shape(_: Any, x: jax.Array, g: jax.Array) -> tuple[int, ...]:
  return (x.shape[-1], g.shape[-1])


# --- CPU and GPU: a product of two matrices -------------------------------------------------------


def _product(_: Any, x: jax.Array, matrix: jax.Array) -> jax.Array:
  # Over more axes than two, a CPU would copy a transpose of the images for the gradient.
  return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])


_product_at_images, _product_at_matrix = linear.gradients(_product, _input_shape, _matrix_shape)


# --- TPU: a convolution ---------------------------------------------------------------------------


def _of_pixels(convolve: linear.Operation, product: linear.Operation) -> linear.Operation:
  """A convolution by a window of one pixel; of what are no images, the product."""

  def run(_: Any, a: jax.Array, b: jax.Array) -> jax.Array:
    if a.ndim != 4:
      return product(_, a, b)
    window = Window((a.shape[1], a.shape[2]), (1, 1), 1, ((0, 0), (0, 0)), 1)
    at_matrix = b.ndim == 4
    found = convolve(window, a, b if at_matrix else b[None, None])
    return found[0, 0] if at_matrix else found

  return run


_convolved, _convolved_at_images, _convolved_at_matrix = (
  _of_pixels(convolve, product)
  for convolve, product in (
    (conv_tpu.forward, _product),
    (conv_tpu.input_gradient, _product_at_images),
    (conv_tpu.weight_gradient, _product_at_matrix),
  )
)


# --- The three operations -------------------------------------------------------------------------

_products = _product, _product_at_images, _product_at_matrix
_convolutions = _convolved, _convolved_at_images, _convolved_at_matrix
_forward, _input_gradient, _matrix_gradient = linear.convolution(
  'pointwise',
  shapes=(_forward_shape, _input_shape, _matrix_shape),
  plain=_products,
  cpu=_products,
  tpu=_convolutions,
)
