"""Convolutions and windows, in the order of axes that ONNX has: images `[N, C, H, W]`."""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.share.onnx_model.graph import Graph
from gan_jax.share.onnx_model.tracing import Operation


def convolution(graph: Graph, one: Operation, names: list[str]) -> str:
  """A convolution, or one of images with zeros between: ONNX calls that transposed."""
  how = one.parameters
  numbers = how['dimension_numbers']
  x = graph.transpose(names[0], numbers.lhs_spec)
  kernel = graph.transpose(names[1], numbers.rhs_spec)
  out, inputs, *sizes = (one.shapes[1][axis] for axis in numbers.rhs_spec)
  groups, between = how['feature_group_count'], tuple(how['lhs_dilation'])
  if how['batch_group_count'] != 1:
    raise UserError('ONNX: a convolution in groups of the batch')
  pads = [tuple(pair) for pair in how['padding']]
  if set(between) == {1}:
    negative = any(n < 0 for pair in pads for n in pair)
    if negative:
      zero = graph.constant(0, one.results[0].dtype)
      low, high = ([0, 0, *side] for side in zip(*pads, strict=True))
      x, pads = graph.pad(x, low, high, zero), [(0, 0) for _ in pads]
    found = graph.add(
      'Conv',
      x,
      kernel,
      group=groups,
      strides=list(how['window_strides']),
      dilations=list(how['rhs_dilation']),
      pads=[low for low, _ in pads] + [high for _, high in pads],
    )
  else:
    if set(how['window_strides']) != {1} or set(how['rhs_dilation']) != {1}:
      raise UserError('ONNX: a convolution with zeros between its images, and a stride')
    found = _transposed(graph, one, x, kernel, (out, inputs, *sizes), pads)
  return graph.transpose(found, np.argsort(numbers.out_spec).tolist())


def _transposed(
  graph: Graph,
  one: Operation,
  x: str,
  kernel: str,
  shape: tuple[int, ...],
  pads: list[tuple[int, ...]],
) -> str:
  """The kernel `[O, I / groups, h, w]` turned over, and its channels the other way round."""
  groups, (out, inputs, *sizes) = one.parameters['feature_group_count'], shape
  for axis in range(2, len(shape)):
    kernel = graph.cut(kernel, axis, -1, step=-1)
  apart = graph.reshape(kernel, [groups, out // groups, inputs, *sizes])
  order = [0, 2, 1, *range(3, 3 + len(sizes))]
  turned = graph.reshape(graph.transpose(apart, order), [groups * inputs, out // groups, *sizes])
  # What reaches over the edges is cut off; beyond what the kernel reaches there are zeros.
  cut = [[size - 1 - n for n in pair] for size, pair in zip(sizes, pads, strict=True)]
  found = graph.add(
    'ConvTranspose',
    x,
    turned,
    group=groups,
    strides=list(one.parameters['lhs_dilation']),
    pads=[max(0, pair[side]) for side in (0, 1) for pair in cut],
  )
  low, high = ([0, 0, *(max(0, -pair[side]) for pair in cut)] for side in (0, 1))
  return graph.pad(found, low, high, graph.constant(0, one.results[0].dtype))


def largest(graph: Graph, one: Operation, names: list[str]) -> str:
  """The largest of each window of images `[N, H, W, C]`."""
  how = one.parameters
  window, strides, pads = how['window_dimensions'], how['window_strides'], how['padding']
  plain = set(how['base_dilation']) == set(how['window_dilation']) == {1}
  if len(window) != 4 or not plain or window[0] != 1 or window[3] != 1:
    raise UserError('ONNX: windows over anything but the sides of images')
  found = graph.add(
    'MaxPool',
    graph.transpose(names[0], (0, 3, 1, 2)),
    kernel_shape=list(window[1:3]),
    strides=list(strides[1:3]),
    pads=[pads[axis][side] for side in (0, 1) for axis in (1, 2)],
  )
  return graph.transpose(found, (0, 2, 3, 1))
