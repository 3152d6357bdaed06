"""Convolutions whose kernel is two strides wide, in 9 multiplications for 16, for CPUs.

With the s×s pixels that a stride covers as channels, such a kernel has two taps an axis. Two
neighbouring results of two taps are four products, of which three suffice:

    y₀ = d₀g₀ + d₁g₁ = (d₀ - d₁)g₀ + d₁(g₀ + g₁)
    y₁ = d₁g₀ + d₂g₁ = (d₂ - d₁)g₁ + d₁(g₀ + g₁)

Over both axes, that is a tile of 3×3 inputs for 2×2 results, and 9 products for 16. At its corners,
a result's own tap meets a difference of inputs; at the middles of its sides and at its centre, the
sum of two or four taps meets inputs that two or all results share. (S. Winograd, Arithmetic
Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural
Networks, 2016, section 4.) The sums over channels are matrix products.

Inputs, kernel and results each pass through a linear map, so that the two gradients are the same
steps with the maps transposed; those of the kernel and of the results are transposes of each other.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops.fusion import apart
from gan_jax.ops.window import Window

# A part of the batch is transformed at a time, with so many bytes a point: it stays in a cache.
_CACHED_BYTES = 1 << 20
# With fewer channels, filters or tiles, the maps take longer than what the products save.
_CHANNELS, _TILES = 16, 128


class _Points(NamedTuple):
  """What is multiplied, by its place in the tile; the last two axes are a matrix's."""

  corners: jax.Array  # [2, 2, ...], (top, bottom) × (left, right)
  sides: jax.Array  # [2, ...], middles of the top and the bottom
  flanks: jax.Array  # [2, ...], middles of the left and the right
  centre: jax.Array


def fits(window: Window, batch: int, channels: int, filters: int, dtype: Any) -> bool:
  """Whether a convolution is of this kind, as exact this way, and faster."""
  two_taps = window.kernel == (2 * window.stride, 2 * window.stride) and window.groups == 1
  tiled = all(n % 2 == 0 for n in window.outputs)
  # Differences of inputs are not to be rounded to fewer bits than float32 has.
  exact = dtype in (jnp.float32, jnp.float64)
  enough = min(channels, filters) >= _CHANNELS and batch * math.prod(_tiles(window)) >= _TILES
  return two_taps and tiled and exact and enough


def forward(window: Window, x: jax.Array, w: jax.Array) -> jax.Array:
  """The convolution: `[B, H, W, C]`, `[kh, kw, C, F]` to `[B, H', W', F]`."""
  kernel = _kernel_points(window.stride, w)
  (x,) = _parts(window, w.shape[2], x)
  run = lambda i: _results(window, _products(_input_points(window, _padded(window, x, i)), kernel))
  return _joined(run, len(x))


def input_gradient(window: Window, g: jax.Array, w: jax.Array) -> jax.Array:
  """The transposed convolution: `[B, H', W', F]`, `[kh, kw, C, F]` to `[B, H, W, C]`."""
  if g.size < w.size:
    # The same points as those of `forward`, which XLA then makes but once for both.
    kernel = _transposed(_kernel_points(window.stride, w))
  else:
    # A product is fastest with both its factors in rows.
    kernel = _kernel_points_in_rows(window.stride, w)
  (g,) = _parts(window, w.shape[2], g)
  run = lambda i: _overlap(window, _products(_result_points(g, i), kernel))
  return _joined(run, len(g))


def weight_gradient(window: Window, x: jax.Array, g: jax.Array) -> jax.Array:
  """The kernel's gradient: `[B, H, W, C]`, `[B, H', W', F]` to `[kh, kw, C, F]`."""
  channels = x.shape[-1]
  x, g = _parts(window, channels, x, g)

  def run(i: jax.Array | int) -> _Points:
    inputs = _input_points(window, _padded(window, x, i))
    return _products(_result_points_in_columns(_phases_first(g, i)), inputs)

  return _kernel_of_points(window, channels, _summed(run, len(x)))


# --- Parts of a batch


def _parts(window: Window, channels: int, *arrays: jax.Array) -> list[jax.Array]:
  """Divides batches into those that are transformed at a time: `[parts, b, ...]`."""
  batch, itemsize = len(arrays[0]), arrays[0].dtype.itemsize
  down, right = _tiles(window)
  fitting = max(1, _CACHED_BYTES // (down * right * window.stride**2 * channels * itemsize))
  size = next(n for n in range(min(batch, fitting), 0, -1) if batch % n == 0)
  return [x.reshape(batch // size, size, *x.shape[1:]) for x in arrays]


def _part(parts: jax.Array, i: jax.Array | int) -> jax.Array:
  # Not by `dynamic_index_in_dim`, which is a program of its own, and would be kept apart as well.
  start = (i, *[0] * (parts.ndim - 1))
  return lax.dynamic_slice(parts, start, (1, *parts.shape[1:]), allow_negative_indices=False)[0]


def _joined(run: Callable[[Any], jax.Array], parts: int) -> jax.Array:
  """The results of all parts, one after the other."""
  if parts == 1:
    return run(0)
  part = jax.eval_shape(run, 0)
  results = jnp.zeros((parts * len(part), *part.shape[1:]), part.dtype)
  put = lambda i, results: lax.dynamic_update_slice_in_dim(
    results, run(i), i * len(part), axis=0, allow_negative_indices=False
  )
  return lax.fori_loop(0, parts, put, results)


def _summed(run: Callable[[Any], _Points], parts: int) -> _Points:
  """The sum of all parts' results."""
  if parts == 1:
    return run(0)
  # From zeros rather than from the first part's, which would be a program once more.
  zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), jax.eval_shape(run, 0))
  return lax.fori_loop(0, parts, lambda i, total: jax.tree.map(jnp.add, total, run(i)), zeros)


# --- Points and their products


def _products(a: _Points, b: _Points) -> _Points:
  return _Points(*(x @ y for x, y in zip(a, b, strict=True)))


def _transposed(points: _Points) -> _Points:
  return _Points(*(x.mT for x in points))


def _shared_out(own: jax.Array) -> _Points:
  """Points of taps, or of gradients of results, `[2, 2, ...]`: each at its corner, and sums."""
  sides, flanks = own[:, 0] + own[:, 1], own[0] + own[1]
  return _Points(own, sides, flanks, sides[0] + sides[1])


def _gathered(points: _Points) -> jax.Array:
  """The transpose of `_shared_out`: results, or gradients of taps, `[2, 2, ...]`."""
  return points.corners + points.sides[:, None] + points.flanks + points.centre


# --- The maps, each computed apart: fused, XLA would compute what it gets once more for each point


@functools.partial(apart, static=0)
def _padded(window: Window, parts: jax.Array, i: jax.Array | int) -> jax.Array:
  """A part's images with their padding, as far as the last tile reaches."""
  x = _part(parts, i)
  pads = [
    (lo, window.stride * (n + 1) - m - lo, 0)
    for n, m, (lo, _) in zip(window.outputs, window.inputs, window.padding, strict=True)
  ]
  return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])


@functools.partial(apart, static=0)
def _input_points(window: Window, x: jax.Array) -> _Points:
  """Padded images to points, each `[..., b * tiles, s * s * C]`."""
  s, (down, right) = window.stride, _tiles(window)
  b, height, width, c = x.shape
  taps = x.reshape(b, height // s, s, width // s, s * c)

  def ends(x: jax.Array, axis: int) -> jax.Array:
    """A tile's first and third along an axis, less its second."""
    near, far = (lax.slice_in_dim(x, n, n + x.shape[axis] - 1, axis=axis) for n in (0, 1))
    return _turned(near - far, axis)

  def middle(x: jax.Array, axis: int) -> jax.Array:
    return lax.slice_in_dim(x, 1, None, stride=2, axis=axis)

  def rows(x: jax.Array) -> jax.Array:
    x = x.reshape(b, down, x.shape[1] // down, s, right, x.shape[3] // right, s * c)
    x = x.transpose(2, 5, 0, 1, 4, 3, 6)
    return x.reshape(*x.shape[:2], b * down * right, s * s * c)

  corners, sides, flanks, centre = (
    rows(across(along(taps, 1), 3)) for along in (ends, middle) for across in (ends, middle)
  )
  return _Points(corners, sides[:, 0], flanks[0], centre[0, 0])


@functools.partial(apart, static=0)
def _overlap(window: Window, points: _Points) -> jax.Array:
  """Points of inputs' gradients to those of the inputs, `[b, H, W, C]`."""
  s, (down, right) = window.stride, _tiles(window)

  def along(ends: jax.Array, middle: jax.Array, axis: int) -> list[jax.Array]:
    """First and second taps of tiles; the third is the first of the next, and there is one more."""
    pad = lambda x, before: lax.pad(
      x,
      jnp.zeros((), x.dtype),
      [(before, 1 - before, 0) if n == axis else (0, 0, 0) for n in range(x.ndim)],
    )
    first, third = ends
    return [pad(first, 0) + pad(third, 1), pad(middle - first - third, 0)]

  tiles = lambda x: x.reshape(*x.shape[:-2], -1, down, right, x.shape[-1])
  corners, sides, flanks, centre = map(tiles, points)
  # From the left end, the right end and the middle to the taps of a column each.
  columns = [along(corners[:, n], flanks[n], 1) for n in (0, 1)]
  middle = along(sides, centre, 1)
  taps = [
    along(jnp.stack([left, right]), m, 2) for left, right, m in zip(*columns, middle, strict=True)
  ]
  images = _interleaved(jnp.stack([jnp.stack(row) for row in taps]))
  b, height, width, _ = images.shape
  x = images.reshape(b, height, width, s, s, -1).transpose(0, 1, 3, 2, 4, 5)
  x = x.reshape(b, height * s, width * s, -1)
  (top, _), (left, _) = window.padding
  return x[:, top : top + window.inputs[0], left : left + window.inputs[1]]


@functools.partial(apart, static=0)
def _kernel_points(stride: int, w: jax.Array) -> _Points:
  """A kernel to points, each `[..., s * s * C, F]`."""
  taps = _taps(stride, w).transpose(0, 2, 1, 3, 4, 5)
  return _shared_out(taps.reshape(2, 2, -1, w.shape[-1]))


@functools.partial(apart, static=0)
def _kernel_points_in_rows(stride: int, w: jax.Array) -> _Points:
  """A kernel to points, each `[..., F, s * s * C]`."""
  taps = _taps(stride, _swapped(w)).transpose(0, 2, 4, 1, 3, 5)
  return _shared_out(taps.reshape(2, 2, w.shape[-1], -1))


@functools.partial(apart, static=(0, 1))
def _kernel_of_points(window: Window, channels: int, points: _Points) -> jax.Array:
  """Points of a kernel's gradient, each `[..., F, s * s * C]`, to the gradient."""
  s = window.stride
  taps = _swapped(_gathered(points)).reshape(2, 2, s, s, channels, -1)
  return taps.transpose(0, 2, 1, 3, 4, 5).reshape(*window.kernel, channels, -1)


@functools.partial(apart, static=0)
def _results(window: Window, points: _Points) -> jax.Array:
  """Points to results, `[b, H', W', F]`."""
  tile = _gathered(points)
  return _interleaved(tile.reshape(2, 2, -1, *_tiles(window), tile.shape[-1]))


@apart
def _result_points(parts: jax.Array, i: jax.Array | int) -> _Points:
  """A part's gradients of results to points, each `[..., b * tiles, F]`."""
  g = _tiled(_part(parts, i)).transpose(2, 4, 0, 1, 3, 5)
  return _shared_out(g.reshape(2, 2, -1, g.shape[-1]))


@apart
def _phases_first(parts: jax.Array, i: jax.Array | int) -> jax.Array:
  """A part's gradients of results as `[2, 2, F, b * tiles]`."""
  g = _tiled(_part(parts, i)).transpose(2, 4, 5, 0, 1, 3)
  return g.reshape(*g.shape[:3], -1)


@apart
def _result_points_in_columns(g: jax.Array) -> _Points:
  """Those of `_phases_first` to points, each `[..., F, b * tiles]`."""
  return _shared_out(g)


@apart
def _swapped(x: jax.Array) -> jax.Array:
  """The last two axes exchanged."""
  return x.mT


def _turned(x: jax.Array, axis: int) -> jax.Array:
  """Every second along an axis with its sign turned."""
  signs = np.resize(np.array([1, -1], x.dtype), x.shape[axis])
  return x * np.expand_dims(signs, [n for n in range(x.ndim) if n != axis])


def _tiles(window: Window) -> tuple[int, int]:
  return window.outputs[0] // 2, window.outputs[1] // 2


def _tiled(g: jax.Array) -> jax.Array:
  """Images `[b, H', W', F]` as `[b, tiles, 2, tiles, 2, F]`."""
  b, height, width, f = g.shape
  return g.reshape(b, height // 2, 2, width // 2, 2, f)


def _interleaved(tile: jax.Array) -> jax.Array:
  """The inverse of `_tiled`, of `[2, 2, b, tiles, tiles, F]`."""
  x = tile.transpose(2, 3, 0, 4, 1, 5)
  b, down, _, right, _, f = x.shape
  return x.reshape(b, 2 * down, 2 * right, f)


def _taps(stride: int, w: jax.Array) -> jax.Array:
  """A kernel `[kh, kw, C, F]` as `[2, s, 2, s, C, F]`."""
  return w.reshape(2, stride, 2, stride, *w.shape[2:])
