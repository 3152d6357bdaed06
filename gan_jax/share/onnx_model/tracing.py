"""The operations of a function, one after the other, those of its constants computed.

The function is traced with a batch of `BATCH` images, a prime that no other size is a multiple of:
what of a shape it divides is the batch, or a multiple of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Literal

from gan_jax.errors import UserError

BATCH = 1021

_INLINED = ('jaxpr', 'call_jaxpr', 'fun_jaxpr')  # parameters that hold what is called
_LOOP = 'scan'  # holds what is done time and again, in a parameter of the same name


class Operation(NamedTuple):
  """One operation of JAX.

  Attributes:
    name: of the primitive.
    inputs: numbers of values, or arrays.
    outputs: numbers of values.
    shapes: of the inputs.
    results: shapes and types of the outputs.
    parameters: of the primitive.
    primitive: JAX's.
  """

  name: str
  inputs: tuple[Any, ...]
  outputs: tuple[int, ...]
  shapes: tuple[tuple[int, ...], ...]
  results: tuple[jax.ShapeDtypeStruct, ...]
  parameters: dict[str, Any]
  primitive: Any


class Traced(NamedTuple):
  """A function.

  Attributes:
    inputs: numbers of the values that are given.
    operations: in order, of what depends on these.
    known: arrays by the number of their values.
    output: number of the result.
    result: its shape and type.
  """

  inputs: tuple[int, ...]
  operations: list[Operation]
  known: dict[int, np.ndarray]
  output: int
  result: jax.ShapeDtypeStruct


def is_of_batch(size: int) -> bool:
  """Whether a size is the batch or a multiple of it."""
  return size % BATCH == 0 and size > 0


def trace(function: Callable[..., jax.Array], arguments: Sequence[jax.ShapeDtypeStruct]) -> Traced:
  """Lists the operations of a function of arrays with one result.

  Raises:
    UserError: where a size that is not the batch's could be mistaken for it.
  """
  closed = jax.make_jaxpr(function)(*arguments)
  listing = _Listing()
  inputs = tuple(listing.new() for _ in arguments)
  (output,) = listing.add(closed.jaxpr, closed.consts, inputs)
  given, early, late = set(inputs), [], []
  for one in _used(listing.operations, output):
    depends = any(isinstance(x, int) and x in given for x in one.inputs)
    if depends or any(is_of_batch(n) for result in one.results for n in result.shape):
      given.update(one.outputs)
      late.append(one)
    else:
      early.append(one)
  wanted = {x for one in late for x in one.inputs if isinstance(x, int)} | {output}
  known = _computed(early, sorted(wanted - given))
  shape = closed.out_avals[0]
  return Traced(inputs, late, known, output, jax.ShapeDtypeStruct(shape.shape, shape.dtype))


class _Listing:
  """Takes calls apart."""

  def __init__(self) -> None:
    self.operations: list[Operation] = []
    self._count = 0

  def new(self) -> int:
    self._count += 1
    return self._count

  def add(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
    values |= dict(zip(jaxpr.invars, inputs, strict=True))
    read = lambda atom: np.asarray(atom.val) if isinstance(atom, Literal) else values[atom]
    for equation in jaxpr.eqns:
      own = [read(atom) for atom in equation.invars]
      inner = next((equation.params[n] for n in _INLINED if n in equation.params), None)
      if inner is not None and equation.primitive.name != _LOOP:
        whole = hasattr(inner, 'consts')
        called, held = (inner.jaxpr, inner.consts) if whole else (inner, ())
        found = self.add(called, held, own[-len(called.invars) :] if called.invars else [])
      else:
        found = [self.new() for _ in equation.outvars]
        self._append(equation, own, found)
      values.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]

  def _append(self, equation: Any, own: list[Any], found: list[int]) -> None:
    results = tuple(jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.outvars)
    shapes = tuple(tuple(atom.aval.shape) for atom in equation.invars)
    name = equation.primitive.name
    self.operations.append(
      Operation(
        name, tuple(own), tuple(found), shapes, results, equation.params, equation.primitive
      )
    )


def _used(operations: Sequence[Operation], output: Any) -> list[Operation]:
  """Those that the output is made of."""
  wanted, found = {output} if isinstance(output, int) else set(), []
  for one in reversed(operations):
    if wanted.intersection(one.outputs):
      wanted.update(x for x in one.inputs if isinstance(x, int))
      found.append(one)
  return found[::-1]


def _computed(operations: Sequence[Operation], wanted: Sequence[int]) -> dict[int, np.ndarray]:
  """Values of operations that depend on nothing."""

  def run() -> list[jax.Array]:
    values: dict[int, Any] = {}
    for one in operations:
      own = [values[x] if isinstance(x, int) else x for x in one.inputs]
      found = one.primitive.bind(*own, **one.parameters)
      results = found if one.primitive.multiple_results else [found]
      values.update(zip(one.outputs, results, strict=True))
    return [values[number] for number in wanted]

  if not wanted:
    return {}
  found = jax.jit(run)()
  return {number: np.asarray(value) for number, value in zip(wanted, found, strict=True)}


def check_sizes(sizes: Sequence[int]) -> None:
  """Raises UserError for a size that would be mistaken for the batch."""
  for size in sizes:
    if is_of_batch(size):
      raise UserError(f'a size of {size}: ONNX is not written of multiples of {BATCH}')
