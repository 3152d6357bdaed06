"""Two-dimensional convolution and its transpose, lowered well on every platform.

A convolution is linear in its input and in its kernel. Its two gradients are again linear in
both of their arguments, and the three operations are closed under differentiation:

    y = forward(x, w)     dx = input_gradient(dy, w)     dw = weight_gradient(x, dy)

Each is defined once, at the end, with the other two as its transposes, so that R1, R2 and path
length, which differentiate twice, stay within the three. On a GPU each is the plain XLA
convolution; those of a TPU are in `conv_tpu`. XLA's CPU backend has one fast path, for a
convolution without groups or dilation, and its weight gradient; all else it runs up to a hundred
times slower. There each operation is put in terms of that path (`parallel.compiler_options` keeps
XLA from leaving it), or of matrix products. Where they pay, those of `winograd` need the fewest
operations.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops import conv_tpu, linear, winograd
from gan_jax.ops.fusion import apart
from gan_jax.ops.window import Window

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')


def conv(
  x: jax.Array,
  kernel: jax.Array,
  *,
  stride: int = 1,
  padding: int | tuple[tuple[int, int], tuple[int, int]] = 0,
  groups: int = 1,
) -> jax.Array:
  """Convolves (cross-correlates) images with a kernel.

  Args:
    x: images, `[B, H, W, C]`.
    kernel: `[kh, kw, C / groups, F]`.
    stride: step of the window, in pixels, on both axes.
    padding: zeros on every side, or `((top, bottom), (left, right))`.
    groups: number of channel groups that do not see each other.

  Returns:
    `[B, H', W', F]` with `H' = (H + top + bottom - kh) // stride + 1`.

  Raises:
    ValueError: where channels, groups and kernel do not fit, or the kernel is larger than the
      padded images.
  """
  window = _window(x.shape[1:3], kernel.shape, stride, padding, groups)
  if x.shape[-1] != kernel.shape[2] * groups or kernel.shape[3] % groups:
    raise ValueError(
      f'kernel {kernel.shape} does not fit {x.shape[-1]} channels in {groups} groups'
    )
  return _forward(window, x, kernel)


def conv_transpose(
  x: jax.Array, kernel: jax.Array, *, stride: int = 2, padding: int = 0
) -> jax.Array:
  """Transposed convolution: the adjoint of `conv` with the same kernel, stride and padding.

  Args:
    x: images, `[B, H, W, C]`.
    kernel: `[kh, kw, F, C]`, the layout of the convolution that this is the transpose of.
    stride: step of the window, in pixels of the result.
    padding: pixels cut off the result on every side.

  Returns:
    `[B, H', W', F]` with `H' = (H - 1) * stride + kh - 2 * padding`.

  Raises:
    ValueError: where the channels do not fit the kernel, or nothing is left between the paddings.
  """
  if x.shape[-1] != kernel.shape[3]:
    raise ValueError(f'kernel {kernel.shape} does not fit {x.shape[-1]} channels')
  size = [
    (n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[1:3], kernel.shape, strict=False)
  ]
  if min(size) < 1:
    raise ValueError(f'padding {padding} leaves nothing of {x.shape} with kernel {kernel.shape}')
  window = _window(size, kernel.shape, stride, padding, groups=1)
  return _input_gradient(window, x, kernel)


def _window(size, kernel_shape, stride, padding, groups) -> Window:  # type: ignore[no-untyped-def]
  if isinstance(padding, int):
    padding = ((padding, padding), (padding, padding))
  window = Window((size[0], size[1]), tuple(kernel_shape[:2]), stride, padding, groups)
  if min(window.outputs) < 1:
    raise ValueError(
      f'kernel {kernel_shape} is larger than {size[0]}x{size[1]} pixels with padding {padding}'
    )
  return window


def _forward_shape(window: Window, x: jax.Array, w: jax.Array) -> tuple[int, ...]:
  return (x.shape[0], *window.outputs, w.shape[3])


def _input_shape(window: Window, g: jax.Array, w: jax.Array) -> tuple[int, ...]:
  return (g.shape[0], *window.inputs, w.shape[2] * window.groups)


def _kernel_shape(window: Window, x: jax.Array, g: jax.Array) -> tuple[int, ...]:
  return (*window.kernel, x.shape[-1] // window.groups, g.shape[-1])


# --- GPU: the plain convolution and its own gradients ---------------------------------------------


def _forward_plain(window: Window, x: jax.Array, w: jax.Array) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    w,
    (window.stride, window.stride),
    window.padding,
    dimension_numbers=_LAYOUT,
    feature_group_count=window.groups,
  )


_input_gradient_plain, _weight_gradient_plain = linear.gradients(
  _forward_plain, _input_shape, _kernel_shape
)


# --- CPU: in terms of convolutions without groups or dilation of the image ------------------------


# A convolution that computes all phases of an input gradient computes some pixels beyond the edge;
# from this factor on, a convolution a phase is faster.
_WASTE = 1.2
# Images of so many channels: the weight gradient is faster as one product over windows laid out.
_LAID_OUT = (3, 4)
# Images of up to so many channels: the input gradient is faster as one product over the filters.
_FEW = 4
# A group's weight gradient transposes its images, with few channels to a place in memory: by parts
# of the batch that stay within a cache it is twice as fast.
_CACHED_BYTES = 1 << 20


def _forward_cpu(window: Window, x: jax.Array, w: jax.Array) -> jax.Array:
  if window.groups > 1:
    return _each_group(_forward_cpu, window, x, w)
  if _sees_whole_image(window):
    return jnp.einsum('bijc,ijco->bo', x, w)[:, None, None]
  if winograd.fits(window, x.shape[0], w.shape[2], w.shape[3], x.dtype):
    return winograd.forward(window, x, w)
  return _convolve(x, w, window.padding, stride=window.stride)


def _input_gradient_cpu(window: Window, g: jax.Array, w: jax.Array) -> jax.Array:
  if window.groups > 1:
    return _each_group(_input_gradient_cpu, window, g, w)
  if _sees_whole_image(window):
    return jnp.einsum('bo,ijco->bijc', g[:, 0, 0], w)
  if winograd.fits(window, g.shape[0], w.shape[2], w.shape[3], g.dtype):
    return winograd.input_gradient(window, g, w)
  (kh, kw), (ho, wo), s = window.kernel, window.outputs, window.stride
  if s == 1:
    before = [k - 1 - lo for k, (lo, _) in zip(window.kernel, window.padding, strict=True)]
    pads = _reaching(window.inputs, window.outputs, window.kernel, before)
    return _convolve(g, w[::-1, ::-1].transpose(0, 1, 3, 2), pads)
  if w.shape[2] <= _FEW and kh % s == 0 and kw % s == 0:
    return _fold(window, g, w)
  waste = (ho - (-kh // s) - 1) * (wo - (-kw // s) - 1) / (ho * wo)
  return (_phase_by_phase if waste > _WASTE else _all_phases)(window, g, w)


def _weight_gradient_cpu(window: Window, x: jax.Array, g: jax.Array) -> jax.Array:
  if window.groups > 1:
    return _each_group(_sum_over_parts, window, x, g)
  if _sees_whole_image(window):
    return jnp.einsum('bijc,bo->ijco', x, g[:, 0, 0])
  if winograd.fits(window, x.shape[0], x.shape[-1], g.shape[-1], x.dtype):
    return winograd.weight_gradient(window, x, g)
  if x.shape[-1] in _LAID_OUT:
    windows = _windows(window, x)
    dw = windows.reshape(-1, windows.shape[-1]).T @ g.reshape(-1, g.shape[-1])
    return dw.reshape(*window.kernel, x.shape[-1], g.shape[-1])
  # The gradient is the kernel, and the images are its input channels.
  spread = [(n - 1) * window.stride + 1 for n in window.outputs]
  pads = _reaching(window.kernel, window.inputs, spread, [lo for lo, _ in window.padding])
  x, g = _batch_last(x), g.transpose(1, 2, 0, 3)
  return _convolve(x, g, pads, dilation=window.stride).transpose(1, 2, 0, 3)


@apart  # fused, it reads what the images come out of in an order where each value is a cache line
def _batch_last(x: jax.Array) -> jax.Array:
  """Images `[B, H, W, C]` as `[C, H, W, B]`."""
  return x.transpose(3, 1, 2, 0)


def _convolve(
  x: jax.Array, w: jax.Array, padding: Any, stride: int = 1, dilation: int = 1
) -> jax.Array:
  """A convolution in the one order of axes that XLA runs fast even within a loop."""
  return lax.conv_general_dilated(
    x, w, (stride, stride), padding, rhs_dilation=(dilation, dilation), dimension_numbers=_LAYOUT
  )


def _reaching(results: Any, inputs: Any, kernel: Any, before: Any) -> list[tuple[int, int]]:
  """Padding that begins with `before` and makes so many results out of so many inputs."""
  sizes = zip(results, inputs, kernel, before, strict=False)
  return [(lo, m + k - 1 - n - lo) for m, n, k, lo in sizes]


def _sees_whole_image(window: Window) -> bool:
  """Whether the one window is the image itself: then all three are matrix products."""
  return window.kernel == window.inputs and window.padding == ((0, 0), (0, 0))


def _windows(window: Window, x: jax.Array) -> jax.Array:
  """Every window's pixels, `[B, H', W', kh * kw * C]`."""
  # By a convolution that copies: cutting the windows out would be a program for each of their taps.
  size = window.kernel[0] * window.kernel[1] * x.shape[-1]
  copying = jnp.eye(size, dtype=x.dtype).reshape(*window.kernel, x.shape[-1], size)
  return _convolve(x, copying, window.padding, stride=window.stride)


# --- CPU: groups


def _each_group(
  operation: Callable[..., jax.Array], window: Window, a: jax.Array, b: jax.Array
) -> jax.Array:
  """Runs an operation for each group; arguments and results are all split by their last axis.

  As a loop: unrolled, XLA computes what comes before again in every group's slice of it, each time
  in code of its own, which takes a minute to compile for a whole network and runs no faster.
  """
  one = window._replace(groups=1)

  def part(array: jax.Array, group: jax.Array | int) -> jax.Array:
    size = array.shape[-1] // window.groups
    return _slice(array, group * size, size, axis=-1)

  def run(group: jax.Array | int, results: jax.Array) -> jax.Array:
    result = operation(one, part(a, group), part(b, group))
    place = group * result.shape[-1]
    return lax.dynamic_update_slice_in_dim(
      results, result, place, axis=-1, allow_negative_indices=False
    )

  shape = jax.eval_shape(lambda: operation(one, part(a, 0), part(b, 0)))
  results = jnp.zeros((*shape.shape[:-1], shape.shape[-1] * window.groups), shape.dtype)
  return lax.fori_loop(0, window.groups, run, results)


def _sum_over_parts(window: Window, x: jax.Array, g: jax.Array) -> jax.Array:
  """A group's weight gradient, as the sum, in float32 at least, of those of parts of the batch."""
  batch = x.shape[0]
  fitting = max(1, _CACHED_BYTES * batch // x.nbytes)
  images = next(n for n in range(min(batch, fitting), 0, -1) if batch % n == 0)
  part = lambda array, i: _slice(array, i * images, images, axis=0)
  total_type = jnp.promote_types(x.dtype, jnp.float32)
  run = lambda i: _weight_gradient_cpu(window, part(x, i), part(g, i)).astype(total_type)
  total = lax.fori_loop(1, batch // images, lambda i, total: total + run(i), run(0))
  return total.astype(x.dtype)


def _slice(array: jax.Array, start: jax.Array | int, size: int, axis: int) -> jax.Array:
  return lax.dynamic_slice_in_dim(array, start, size, axis, allow_negative_indices=False)


# --- CPU: the input gradient of a strided convolution
#
# Pixels whose padded position has the same remainder by the stride, a phase, see the same kernel
# elements, every stride-th one. So a phase is a convolution of the gradient without stride, with a
# kernel of ⌈k / stride⌉, and the input gradient is its phases interleaved.


def _all_phases(window: Window, g: jax.Array, w: jax.Array) -> jax.Array:
  """The input gradient by one convolution, whose channels are those of all phases."""
  s, channels = window.stride, w.shape[2]
  taps = [-(-k // s) for k in window.kernel]
  w = jnp.pad(w, [(0, u * s - k) for u, k in zip(taps, window.kernel, strict=True)] + [(0, 0)] * 2)
  w = w.reshape(taps[0], s, taps[1], s, channels, -1)[::-1, :, ::-1]
  w = w.transpose(0, 2, 5, 1, 3, 4).reshape(taps[0], taps[1], -1, s * s * channels)
  # Far enough to the lower right that the part wanted lies within, even beyond the last window.
  reach = [
    max(n + u - 1, -(-(lo + size) // s)) - n
    for n, u, size, (lo, _) in zip(window.outputs, taps, window.inputs, window.padding, strict=True)
  ]
  pads = [(u - 1, more) for u, more in zip(taps, reach, strict=True)]
  phases = _convolve(g, w, pads)
  b, h, v, _ = phases.shape
  full = phases.reshape(b, h, v, s, s, channels).transpose(0, 1, 3, 2, 4, 5)
  full = full.reshape(b, h * s, v * s, channels)
  (top, _), (left, _) = window.padding
  return full[:, top : top + window.inputs[0], left : left + window.inputs[1]]


def _fold(window: Window, g: jax.Array, w: jax.Array) -> jax.Array:
  """The input gradient by one product for all elements of the kernel, added up where they overlap.

  For kernels of whole strides: an element's pixels are then those of a phase.
  """
  (b, height, width, f), (kh, kw, channels, _), s = g.shape, w.shape, window.stride
  parts = (g.reshape(-1, f) @ w.reshape(-1, f).T).reshape(
    b, height, width, kh // s, s, kw // s, s, channels
  )

  def add_up(parts: jax.Array, axis: int, taps_axis: int) -> jax.Array:
    """Each of a window's taps lies a place further along the axis than the one before."""
    taps = parts.shape[taps_axis]
    zero = jnp.zeros((), parts.dtype)
    moved = [
      lax.pad(
        tap, zero, [(n, taps - 1 - n, 0) if a == axis else (0, 0, 0) for a in range(tap.ndim)]
      )
      for n, tap in enumerate(jnp.moveaxis(parts, taps_axis, 0))
    ]
    return sum(moved[1:], moved[0])

  full = add_up(add_up(parts, 1, 3), 2, 4).transpose(0, 1, 3, 2, 4, 5)
  full = full.reshape(b, full.shape[1] * s, -1, channels)
  # Less the padding, and with the pixels that no window sees.
  ends = [
    (-lo, n + lo - size, 0)
    for n, size, (lo, _) in zip(window.inputs, full.shape[1:3], window.padding, strict=True)
  ]
  return lax.pad(full, jnp.zeros((), g.dtype), [(0, 0, 0), *ends, (0, 0, 0)])


def _phase_by_phase(window: Window, g: jax.Array, w: jax.Array) -> jax.Array:
  """The input gradient by a convolution for each phase, none of whose pixels is thrown away."""
  s = window.stride
  size = [-(-n // s) for n in window.inputs]
  phases = []
  for place in np.ndindex(s, s):
    # Of output pixel m * s + place: its phase, and the first gradient that its window reaches.
    first, phase = zip(
      *(divmod(a + lo, s) for a, (lo, _) in zip(place, window.padding, strict=True)), strict=True
    )
    kernel = w[phase[0] :: s, phase[1] :: s][::-1, ::-1].transpose(0, 1, 3, 2)
    before = [u - 1 - f for u, f in zip(kernel.shape[:2], first, strict=True)]
    pads = _reaching(size, window.outputs, kernel.shape, before)
    if 0 in kernel.shape[:2]:  # a stride beyond the kernel: pixels that no window sees
      phases.append(jnp.zeros((g.shape[0], *size, w.shape[2]), g.dtype))
    else:
      phases.append(_convolve(g, kernel, pads))
  grid = jnp.stack(phases, axis=3).reshape(g.shape[0], *size, s, s, w.shape[2])
  full = grid.transpose(0, 1, 3, 2, 4, 5).reshape(g.shape[0], size[0] * s, size[1] * s, w.shape[2])
  return full[:, : window.inputs[0], : window.inputs[1]]


# --- The three operations -------------------------------------------------------------------------

_forward, _input_gradient, _weight_gradient = linear.convolution(
  'conv',
  shapes=(_forward_shape, _input_shape, _kernel_shape),
  plain=(_forward_plain, _input_gradient_plain, _weight_gradient_plain),
  cpu=(_forward_cpu, _input_gradient_cpu, _weight_gradient_cpu),
  tpu=(conv_tpu.forward, conv_tpu.input_gradient, conv_tpu.weight_gradient),
)
