"""Nodes and constants of an ONNX graph in the making."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.share.onnx_model.tracing import BATCH, is_of_batch

OPSET = 20
_LAST = np.iinfo(np.int64).max


def package(asked: str = '--onnx') -> Any:
  """The package `onnx`.

  Args:
    asked: the flag that needs it.

  Raises:
    UserError: where it is not installed.
  """
  try:
    import onnx
  except ImportError as error:
    raise UserError(f'{asked}: needs a package; pip install "onnx>=1.19,<2"') from error
  return onnx


class Graph:
  """Adds nodes; values are names."""

  def __init__(self, batch_of: str):
    """`batch_of` is the input whose first size is the batch."""
    self._onnx = package()
    self.nodes: list[Any] = []
    self.constants: dict[str, np.ndarray] = {}
    self._names: dict[tuple[Any, ...], str] = {}
    self._count = 0
    self._batch_of, self._batch = batch_of, ''

  def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
    """Adds a node of one result, and names that."""
    self._count += 1
    name = f'v{self._count}'
    self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
    return name

  def constant(self, value: Any, dtype: Any = None) -> str:
    """Names an array, which is there once."""
    array = np.asarray(value, dtype)
    key = array.shape, array.dtype.str, array.tobytes()
    if key not in self._names:
      self._names[key] = f'c{len(self._names)}'
      self.constants[self._names[key]] = array
    return self._names[key]

  def kind(self, dtype: Any) -> int:
    """ONNX's number of a type."""
    kind: int = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return kind

  def numbers(self, values: Sequence[int]) -> str:
    """Names a list of integers, as shapes and axes are."""
    return self.constant(list(values), np.int64)

  def shape(self, sizes: Sequence[int]) -> str:
    """Names a shape, in which the batch is what it is when the model runs."""
    if not any(map(is_of_batch, sizes)):
      return self.numbers(sizes)
    self._batch = self._batch or self.add('Shape', self._batch_of, start=0, end=1)
    parts = [
      self.add('Mul', self._batch, self.numbers([size // BATCH]))
      if is_of_batch(size)
      else self.numbers([size])
      for size in sizes
    ]
    return self.add('Concat', *parts, axis=0)

  def reshape(self, x: str, sizes: Sequence[int]) -> str:
    """Gives a value a shape."""
    of_batch = [is_of_batch(size) for size in sizes]
    if sum(of_batch) == 1:  # what is left over
      free = [-1 if own else size for own, size in zip(of_batch, sizes, strict=True)]
      return self.add('Reshape', x, self.numbers(free))
    return self.add('Reshape', x, self.shape(sizes))

  def transpose(self, x: str, order: Sequence[int]) -> str:
    """Puts axes in an order."""
    order = [int(axis) for axis in order]
    return x if order == sorted(order) else self.add('Transpose', x, perm=order)

  def cut(self, x: str, axis: int, first: int, end: int | None = None, step: int = 1) -> str:
    """A part of an axis; None: to its end."""
    ends = -_LAST if step < 0 else _LAST if end is None else end
    return self.add('Slice', x, *(self.numbers([n]) for n in (first, ends, axis, step)))

  def spread(self, x: str, shape: Sequence[int], axis: int, by: int, value: str) -> str:
    """Puts `by` times the value between neighbours along an axis of an array of a shape."""
    size, rank = shape[axis], len(shape)
    own = [*shape[: axis + 1], 1, *shape[axis + 1 :]]
    after = [0] * (2 * (rank + 1))
    after[rank + 1 + axis + 1] = by
    padded = self.add('Pad', self.reshape(x, own), self.numbers(after), value)
    whole = self.reshape(padded, [*shape[:axis], size * (by + 1), *shape[axis + 1 :]])
    return self.cut(whole, axis, 0, size * (by + 1) - by)

  def pad(self, x: str, before: Sequence[int], after: Sequence[int], value: str) -> str:
    """Adds to the ends of axes, or takes from them where numbers are below 0."""
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
      if min(low, high) < 0:
        x = self.cut(x, axis, max(0, -low), high if high < 0 else None)
    added = [max(0, n) for n in (*before, *after)]
    return self.add('Pad', x, self.numbers(added), value) if any(added) else x
