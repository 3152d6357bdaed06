"""Operations of JAX, each in operations of ONNX: functions `(graph, operation, names) -> name`."""

from collections.abc import Callable

from gan_jax.errors import UserError
from gan_jax.share.onnx_model import convolutions
from gan_jax.share.onnx_model.graph import Graph
from gan_jax.share.onnx_model.tracing import Operation

Written = Callable[[Graph, Operation, list[str]], str | list[str]]

# Of the same meaning, element by element.
_ALIKE = {
  'abs': 'Abs', 'add': 'Add', 'add_any': 'Add', 'and': 'And', 'ceil': 'Ceil', 'cos': 'Cos',
  'div': 'Div', 'eq': 'Equal', 'erf': 'Erf', 'exp': 'Exp', 'floor': 'Floor', 'ge': 'GreaterOrEqual',
  'gt': 'Greater', 'le': 'LessOrEqual', 'log': 'Log', 'logistic': 'Sigmoid', 'lt': 'Less',
  'max': 'Max', 'min': 'Min', 'mul': 'Mul', 'neg': 'Neg', 'not': 'Not', 'or': 'Or', 'pow': 'Pow',
  'sign': 'Sign', 'sin': 'Sin', 'sqrt': 'Sqrt', 'sub': 'Sub', 'tanh': 'Tanh',
}  # fmt: skip
_REDUCED = {
  'reduce_max': 'ReduceMax', 'reduce_min': 'ReduceMin', 'reduce_prod': 'ReduceProd',
  'reduce_sum': 'ReduceSum',
}  # fmt: skip


def write(graph: Graph, one: Operation, names: list[str]) -> list[str]:
  """Adds an operation to a graph, and names its results.

  Args:
    graph: that is added to.
    one: the operation.
    names: of its inputs in the graph.

  Raises:
    UserError: for one that is not known here.
  """
  if one.name in _ALIKE:
    return [graph.add(_ALIKE[one.name], *names)]
  if one.name in _REDUCED:
    axes = graph.numbers(sorted(one.parameters['axes']))
    return [graph.add(_REDUCED[one.name], names[0], axes, keepdims=0)]
  if one.name not in WRITTEN:
    raise UserError(f'ONNX: the operation {one.name} of this network is not known here')
  found = WRITTEN[one.name](graph, one, names)
  return [found] if isinstance(found, str) else found


def _rsqrt(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.add('Reciprocal', graph.add('Sqrt', names[0]))


def _square(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.add('Mul', names[0], names[0])


def _integer_pow(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.add('Pow', names[0], graph.constant(one.parameters['y'], one.results[0].dtype))


def _clamp(graph: Graph, one: Operation, names: list[str]) -> str:
  low, x, high = names
  return graph.add('Min', graph.add('Max', x, low), high)


def _round(graph: Graph, one: Operation, names: list[str]) -> str:
  if int(one.parameters['rounding_method']) != 1:  # to the even one of two neighbours
    raise UserError('ONNX: rounds halves to the even neighbour alone')
  return graph.add('Round', names[0])


def _convert(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.add('Cast', names[0], to=graph.kind(one.results[0].dtype))


def _select(graph: Graph, one: Operation, names: list[str]) -> str:
  which, *cases = names
  if len(cases) != 2:
    raise UserError(f'ONNX: a choice among {len(cases)}; accepted: two')
  return graph.add('Where', which, cases[1], cases[0])


def _broadcast(graph: Graph, one: Operation, names: list[str]) -> str:
  shape, places = one.results[0].shape, one.parameters['broadcast_dimensions']
  own = [1] * len(shape)
  for place, size in zip(places, one.shapes[0], strict=True):
    own[place] = size
  x = names[0] if tuple(own) == one.shapes[0] else graph.reshape(names[0], own)
  if tuple(own) == tuple(shape):
    return x
  # A size of 1 leaves what is there: the batch is asked for only where it is new.
  wanted = [1 if mine == size else size for mine, size in zip(own, shape, strict=True)]
  return graph.add('Expand', x, graph.shape(wanted))


def _reshape(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.reshape(names[0], one.results[0].shape)


def _transpose(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.transpose(names[0], one.parameters['permutation'])


def _concatenate(graph: Graph, one: Operation, names: list[str]) -> str:
  return graph.add('Concat', *names, axis=one.parameters['dimension'])


def _stack(graph: Graph, one: Operation, names: list[str]) -> str:
  axis = one.parameters['axis']
  apart = [graph.add('Unsqueeze', x, graph.numbers([axis])) for x in names]
  return graph.add('Concat', *apart, axis=axis)


def _unstack(graph: Graph, one: Operation, names: list[str]) -> list[str]:
  axis = one.parameters['axis']
  places = [graph.constant(n, 'int64') for n in range(len(one.outputs))]
  return [graph.add('Gather', names[0], place, axis=axis) for place in places]


def _split(graph: Graph, one: Operation, names: list[str]) -> list[str]:
  axis, found, first = one.parameters['axis'], [], 0
  for size in one.parameters['sizes']:
    found.append(graph.cut(names[0], axis, first, first + size))
    first += size
  return found


def _rev(graph: Graph, one: Operation, names: list[str]) -> str:
  x = names[0]
  for axis in one.parameters['dimensions']:
    x = graph.cut(x, axis, -1, step=-1)
  return x


def _slice(graph: Graph, one: Operation, names: list[str]) -> str:
  x, how = names[0], one.parameters
  steps = how['strides'] or (1,) * len(one.shapes[0])
  parts = zip(how['start_indices'], how['limit_indices'], steps, one.shapes[0], strict=True)
  for axis, (first, end, step, size) in enumerate(parts):
    if (first, end, step) != (0, size, 1):
      x = graph.cut(x, axis, first, None if end == size else end, step)
  return x


def _pad(graph: Graph, one: Operation, names: list[str]) -> str:
  x, value = names
  config, shape = one.parameters['padding_config'], list(one.shapes[0])
  for axis, (_, _, between) in enumerate(config):
    if between:
      x = graph.spread(x, shape, axis, between, value)
      shape[axis] += (shape[axis] - 1) * between
  return graph.pad(x, [low for low, _, _ in config], [high for _, high, _ in config], value)


def _gather(graph: Graph, one: Operation, names: list[str]) -> str:
  """Rows of a table: other forms are not known."""
  how, shape, places = one.parameters['dimension_numbers'], *one.shapes
  rows = len(places) - 1
  of_rows = (
    tuple(how.start_index_map) == tuple(how.collapsed_slice_dims) == (0,)
    and tuple(how.offset_dims) == tuple(range(rows, rows + len(shape) - 1))
    and tuple(one.parameters['slice_sizes']) == (1, *shape[1:])
    and places[-1] == 1
  )
  if not of_rows:
    raise UserError('ONNX: takes parts of an array in a way that is not known here')
  return graph.add('Gather', names[0], graph.reshape(names[1], places[:-1]), axis=0)


def _dot(graph: Graph, one: Operation, names: list[str]) -> str:
  (left, right), (of_left, of_right) = one.parameters['dimension_numbers']
  x, y = (len(shape) for shape in one.shapes)
  plain = not of_left and y == 2 and tuple(left) == (x - 1,) and tuple(right) == (0,)
  if plain:
    return graph.add('MatMul', *names)
  letters = iter('abcdefghijklmnopqrstuvwxyz')
  first = [next(letters) for _ in range(x)]
  second = [next(letters) for _ in range(y)]
  for mine, theirs in zip((*left, *of_left), (*right, *of_right), strict=True):
    second[theirs] = first[mine]
  result = [first[axis] for axis in of_left]
  result += [first[axis] for axis in range(x) if axis not in (*left, *of_left)]
  result += [second[axis] for axis in range(y) if axis not in (*right, *of_right)]
  equation = f'{"".join(first)},{"".join(second)}->{"".join(result)}'
  return graph.add('Einsum', *names, equation=equation)


def _same(graph: Graph, one: Operation, names: list[str]) -> str:
  return names[0]


WRITTEN: dict[str, Written] = {
  'broadcast_in_dim': _broadcast,
  'clamp': _clamp,
  'concatenate': _concatenate,
  'conv_general_dilated': convolutions.convolution,
  'convert_element_type': _convert,
  'copy': _same,
  'dot_general': _dot,
  'expand_dims': _reshape,
  'gather': _gather,
  'integer_pow': _integer_pow,
  'pad': _pad,
  'reduce_window_max': convolutions.largest,
  'reshape': _reshape,
  'rev': _rev,
  'round': _round,
  'rsqrt': _rsqrt,
  'select_n': _select,
  'slice': _slice,
  'square': _square,
  'split': _split,
  'squeeze': _reshape,
  'stack': _stack,
  'stop_gradient': _same,
  'transpose': _transpose,
  'unstack': _unstack,
}
"""By the names of JAX's primitives."""
