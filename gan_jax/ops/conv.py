"""Two-dimensional convolution and its transpose, lowered well on every platform.

A convolution is linear in its input and in its kernel. Its two gradients are again linear in
both of their arguments, and the three operations are closed under differentiation:

    y = forward(x, w)     dx = input_gradient(dy, w)     dw = weight_gradient(x, dy)

Each is defined once below with the other two as its derivatives, so that R1, R2 and path length,
which differentiate twice, stay within the three. On GPU and TPU each is the plain XLA convolution.
XLA's CPU backend runs some of these up to forty times below the machine's matrix-product speed, so
there they are written as matrix products.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')


class _Window(NamedTuple):
  """The static part of a convolution; sizes are (height, width)."""

  inputs: tuple[int, int]
  kernel: tuple[int, int]
  stride: int
  padding: tuple[tuple[int, int], tuple[int, int]]
  groups: int

  @property
  def outputs(self) -> tuple[int, int]:
    """Height and width of the result."""
    sizes = [
      (n + lo + hi - k) // self.stride + 1
      for n, k, (lo, hi) in zip(self.inputs, self.kernel, self.padding, strict=True)
    ]
    return sizes[0], sizes[1]


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
    ValueError: where channels, groups and kernel do not fit.
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
  """
  size = [
    (n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[1:3], kernel.shape, strict=False)
  ]
  window = _window(size, kernel.shape, stride, padding, groups=1)
  return _input_gradient(window, x, kernel)


def _window(size, kernel_shape, stride, padding, groups) -> _Window:  # type: ignore[no-untyped-def]
  if isinstance(padding, int):
    padding = ((padding, padding), (padding, padding))
  return _Window((size[0], size[1]), tuple(kernel_shape[:2]), stride, padding, groups)


# --- The three operations, each with the other two as its derivatives -----------------------------


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _forward(window: _Window, x: jax.Array, w: jax.Array) -> jax.Array:
  return _choose(window, _forward_plain, _forward_cpu, x, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _input_gradient(window: _Window, g: jax.Array, w: jax.Array) -> jax.Array:
  return _choose(window, _input_gradient_plain, _input_gradient_cpu, g, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _weight_gradient(window: _Window, x: jax.Array, g: jax.Array) -> jax.Array:
  return _choose(window, _weight_gradient_plain, _weight_gradient_cpu, x, g)


# Compiled in itself for the sake of its cache: each shape is traced once, however often it comes.
@functools.partial(jax.jit, static_argnums=(0, 1, 2), inline=True)
def _choose(window, plain, cpu, *args):  # type: ignore[no-untyped-def]
  bind = functools.partial
  return lax.platform_dependent(*args, cpu=bind(cpu, window), default=bind(plain, window))


def _residuals(operation):  # type: ignore[no-untyped-def]
  return lambda window, a, b: (operation(window, a, b), (a, b))


_forward.defvjp(
  _residuals(_forward),
  lambda window, xw, dy: (_input_gradient(window, dy, xw[1]), _weight_gradient(window, xw[0], dy)),
)
_input_gradient.defvjp(
  _residuals(_input_gradient),
  lambda window, gw, dx: (_forward(window, dx, gw[1]), _weight_gradient(window, dx, gw[0])),
)
_weight_gradient.defvjp(
  _residuals(_weight_gradient),
  lambda window, xg, dw: (_input_gradient(window, xg[1], dw), _forward(window, xg[0], dw)),
)


# --- GPU and TPU: the plain convolution and its own gradients -------------------------------------


def _forward_plain(window: _Window, x: jax.Array, w: jax.Array) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    w,
    (window.stride, window.stride),
    window.padding,
    dimension_numbers=_LAYOUT,
    feature_group_count=window.groups,
  )


def _input_gradient_plain(window: _Window, g: jax.Array, w: jax.Array) -> jax.Array:
  shape = (g.shape[0], *window.inputs, w.shape[2] * window.groups)
  x = jax.ShapeDtypeStruct(shape, g.dtype)
  (dx,) = jax.linear_transpose(lambda x: _forward_plain(window, x, w), x)(g)
  return dx


def _weight_gradient_plain(window: _Window, x: jax.Array, g: jax.Array) -> jax.Array:
  shape = (*window.kernel, x.shape[-1] // window.groups, g.shape[-1])
  w = jax.ShapeDtypeStruct(shape, x.dtype)
  (dw,) = jax.linear_transpose(lambda w: _forward_plain(window, x, w), w)(g)
  return dw


# --- CPU: matrix products over shifted views ------------------------------------------------------


# Up to here a dense convolution with zeros between the groups, `groups` times the work, is still
# faster than one small matrix product a group.
_FEW_GROUPS = 4


def _forward_cpu(window: _Window, x: jax.Array, w: jax.Array) -> jax.Array:
  if 1 < window.groups <= _FEW_GROUPS:
    return _forward_cpu(window._replace(groups=1), x, _block_diagonal(window, w))
  if window.groups == 1:
    return _forward_plain(window, x, w)
  patches = _grouped_patches(window, x)
  y = jnp.einsum('bhwgk,gko->bhwgo', patches, _grouped_kernel(window, w))
  return y.reshape(*y.shape[:3], -1)


def _input_gradient_cpu(window: _Window, g: jax.Array, w: jax.Array) -> jax.Array:
  if 1 < window.groups <= _FEW_GROUPS:
    return _input_gradient_cpu(window._replace(groups=1), g, _block_diagonal(window, w))
  if window.groups == 1 and window.stride == 1:
    return _input_gradient_plain(window, g, w)
  if window.stride == 1:
    return _forward_cpu(_mirrored(window), g, _mirrored_kernel(window, w))
  batch, channels = g.shape[0], w.shape[2]
  kernel = w.reshape(*window.kernel, channels, window.groups, -1)
  g = g.reshape(*g.shape[:3], window.groups, -1)
  taps = jnp.einsum('bhwgo,ijcgo->ijbhwgc', g, kernel)
  taps = taps.reshape(*window.kernel, batch, *window.outputs, window.groups * channels)
  return _overlap_add(window, taps)


def _weight_gradient_cpu(window: _Window, x: jax.Array, g: jax.Array) -> jax.Array:
  kh, kw = window.kernel
  if 1 < window.groups <= _FEW_GROUPS:
    dense = _weight_gradient_cpu(window._replace(groups=1), x, g)
    blocks = dense.reshape(kh, kw, window.groups, -1, window.groups, g.shape[-1] // window.groups)
    return jnp.einsum('ijgcgo->ijcgo', blocks).reshape(kh, kw, -1, g.shape[-1])
  if window.groups > 1:
    g = g.reshape(*g.shape[:3], window.groups, -1)
    dw = jnp.einsum('bhwgk,bhwgo->kgo', _grouped_patches(window, x), g)
    return dw.reshape(kh, kw, -1, dw.shape[1] * dw.shape[2])
  taps = _taps(window, x)
  if x.shape[-1] <= 4:
    # One product over all taps: with so few channels a product a tap is too thin to run fast.
    patches = jnp.concatenate(taps, axis=-1)
    dw = jnp.einsum('bhwk,bhwo->ko', patches, g)
    return dw.reshape(kh, kw, x.shape[-1], g.shape[-1])
  dw = jnp.stack([jnp.einsum('bhwc,bhwo->co', tap, g) for tap in taps])
  return dw.reshape(kh, kw, x.shape[-1], g.shape[-1])


def _taps(window: _Window, x: jax.Array) -> list[jax.Array]:
  """The input as each kernel element sees it: `kh * kw` arrays `[B, H', W', C]`."""
  x = jnp.pad(x, ((0, 0), *window.padding, (0, 0)))
  (h, w), s = window.outputs, window.stride
  return [
    x[:, i : i + (h - 1) * s + 1 : s, j : j + (w - 1) * s + 1 : s]
    for i in range(window.kernel[0])
    for j in range(window.kernel[1])
  ]


def _grouped_patches(window: _Window, x: jax.Array) -> jax.Array:
  """Every window's pixels by group, `[B, H', W', groups, kh * kw * C / groups]`."""
  split = [tap.reshape(*tap.shape[:3], window.groups, -1) for tap in _taps(window, x)]
  return jnp.concatenate(split, axis=-1)


def _grouped_kernel(window: _Window, w: jax.Array) -> jax.Array:
  """The kernel as one matrix a group, `[groups, kh * kw * C / groups, F / groups]`."""
  w = w.reshape(-1, window.groups, w.shape[-1] // window.groups)
  return jnp.moveaxis(w, 1, 0)


def _block_diagonal(window: _Window, w: jax.Array) -> jax.Array:
  """The kernel of the same convolution without groups, zero between them, `[kh, kw, C, F]`."""
  kh, kw, channels, filters = w.shape
  w = w.reshape(kh, kw, channels, window.groups, -1)
  dense = jnp.einsum('ijcgo,gh->ijhcgo', w, jnp.eye(window.groups, dtype=w.dtype))
  return dense.reshape(kh, kw, channels * window.groups, filters)


def _mirrored(window: _Window) -> _Window:
  """The window of the stride-1 convolution that computes the input gradient."""
  pads = [
    (k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(window.kernel, window.padding, strict=True)
  ]
  return window._replace(inputs=window.outputs, padding=(pads[0], pads[1]))


def _mirrored_kernel(window: _Window, w: jax.Array) -> jax.Array:
  """The kernel turned by 180°, inputs and outputs exchanged within each group."""
  kh, kw, channels, _ = w.shape
  w = w[::-1, ::-1].reshape(kh, kw, channels, window.groups, -1)
  return jnp.einsum('ijcgo->ijogc', w).reshape(kh, kw, -1, window.groups * channels)


def _overlap_add(window: _Window, taps: jax.Array) -> jax.Array:
  """Sums `[kh, kw, B, H', W', C]` contributions at their places in `[B, H, W, C]`.

  Pixels of the same phase (remainder by the stride) are sums of whole shifted arrays, so each phase
  is added up densely and the phases are interleaved at the end.
  """
  s = window.stride
  (kh, kw), (ho, wo) = window.kernel, window.outputs
  ph, pw = -(-kh // s), -(-kw // s)
  rows, columns = ho + ph - 1, wo + pw - 1
  phases = []
  for i in range(s):
    for j in range(s):
      terms = [
        jnp.pad(
          taps[a * s + i, b * s + j],
          ((0, 0), (a, rows - ho - a), (b, columns - wo - b), (0, 0)),
        )
        for a in range(ph)
        for b in range(pw)
        if a * s + i < kh and b * s + j < kw
      ]
      zero = jnp.zeros((taps.shape[2], rows, columns, taps.shape[-1]), taps.dtype)
      phases.append(functools.reduce(jnp.add, terms) if terms else zero)
  grid = jnp.stack(phases, axis=-2).reshape(taps.shape[2], rows, columns, s, s, taps.shape[-1])
  full = grid.transpose(0, 1, 3, 2, 4, 5).reshape(taps.shape[2], rows * s, columns * s, -1)
  (top, _), (left, _) = window.padding
  (h, w) = window.inputs
  # Rows that no window reaches (the remainder of a strided convolution) have gradient zero.
  full = jnp.pad(
    full, ((0, 0), (0, max(0, top + h - rows * s)), (0, max(0, left + w - columns * s)), (0, 0))
  )
  return full[:, top : top + h, left : left + w]
