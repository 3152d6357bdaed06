"""Reads the pickle of a PyTorch state dict without unpickling it.

A pickle is a program for a machine with a stack and a memory: it may call anything, and a hundred
bytes may build what takes years to print or to hash. Here the few instructions that a state dict is
written in are carried out by hand, so that nothing else can happen; keys are texts or numbers, and
nothing that was built is ever hashed or shown whole.
"""

import collections
import pickletools
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

MAX_STEPS = 2**21  # instructions; a tensor takes about forty
_FLOATS = {'Double': '<f8', 'Float': '<f4', 'Half': '<f2', 'BFloat16': ml_dtypes.bfloat16}
_INTEGERS = {'Long': '<i8', 'Int': '<i4', 'Short': '<i2', 'Char': 'i1', 'Byte': 'u1', 'Bool': '?'}
_DTYPES = {f'{name}Storage': np.dtype(kind) for name, kind in (_FLOATS | _INTEGERS).items()}
_MARK = object()
DICT, TENSOR = 'collections.OrderedDict', 'torch._utils._rebuild_tensor_v2'
_TUPLES = {'EMPTY_TUPLE': 0, 'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
# Instructions whose argument is the value that they push.
_VALUES = (
  *('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINSTRING', 'SHORT_BINSTRING'),
  *('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
)


class Storage(NamedTuple):
  """Bytes that tensors are views of; `size` counts elements."""

  key: str
  dtype: np.dtype
  size: int


class Tensor(NamedTuple):
  """A strided view of a storage; offset and strides count elements."""

  storage: Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


class RefusedError(ValueError):
  """The pickle asks for something that a state dict does not need."""


class Named(NamedTuple):
  """A callable or a type of storage, by name alone."""

  name: str


def load(file: Any, machine: 'Machine | None' = None) -> tuple[Any, dict[str, Storage]]:
  """Carries out one pickle, up to its end, where the file is left.

  Args:
    file: with `read` and `readline`.
    machine: that carries it out; None: one for state dicts.

  Returns:
    What it builds, of dicts, lists, tuples, texts, numbers and tensors; and the storages, by key.

  Raises:
    RefusedError: for an instruction, a name or a value that no state dict has.
    ValueError, IndexError, KeyError: for a pickle that is damaged.
  """
  machine = machine or Machine()
  for count, (code, argument, _) in enumerate(pickletools.genops(file)):
    if count >= MAX_STEPS:
      raise RefusedError(f'its pickle has more than {MAX_STEPS:,} instructions')
    if code.name == 'STOP':
      break
    machine.step(code.name, argument)
  return machine.stack.pop(), machine.storages


class Machine:
  """Carries out instructions; what may be named and called, subclasses widen."""

  def __init__(self) -> None:
    self.stack: list[Any] = []
    self.memory: dict[int, Any] = {}
    self.storages: dict[str, Storage] = {}

  def step(self, name: str, argument: Any) -> None:
    """Carries out one instruction."""
    push = self.stack.append
    if name in _VALUES:
      push(argument)
    elif name in _CONSTANTS:
      push(_CONSTANTS[name])
    elif name in ('BINPUT', 'LONG_BINPUT'):
      self.memory[argument] = self.stack[-1]
    elif name == 'MEMOIZE':
      self.memory[len(self.memory)] = self.stack[-1]
    elif name in ('BINGET', 'LONG_BINGET'):
      push(self.memory[argument])
    elif name == 'MARK':
      push(_MARK)
    elif name == 'TUPLE':
      push(tuple(self.to_mark()))
    elif name in _TUPLES:
      place = len(self.stack) - _TUPLES[name]
      self.stack[place:] = [tuple(self.stack[place:])]
    elif name in ('EMPTY_DICT', 'EMPTY_LIST'):
      push({} if name == 'EMPTY_DICT' else [])
    else:
      self._build(name, argument)

  def _build(self, name: str, argument: Any) -> None:
    """The instructions that use what is on the stack."""
    if name in ('APPEND', 'APPENDS'):
      values = self.to_mark() if name == 'APPENDS' else [self.stack.pop()]
      of(list, self.stack[-1]).extend(values)
    elif name in ('SETITEM', 'SETITEMS'):
      pairs = self.to_mark() if name == 'SETITEMS' else [self.stack.pop(-2), self.stack.pop()]
      into = of(dict, self.stack[-1])
      for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        into[_key(key)] = value
    elif name == 'GLOBAL':
      self.stack.append(self.named(argument.replace(' ', '.', 1)))
    elif name == 'STACK_GLOBAL':
      attribute, module = of(str, self.stack.pop()), of(str, self.stack.pop())
      self.stack.append(self.named(f'{module}.{attribute}'))
    elif name == 'BINPERSID':
      self.stack.append(self._storage(of(tuple, self.stack.pop())))
    elif name == 'REDUCE':
      arguments, called = of(tuple, self.stack.pop()), of(Named, self.stack.pop())
      self.stack.append(self.called(called.name, arguments))
    elif name == 'BUILD':
      state = self.stack.pop()
      self.built(self.stack[-1], state)
    elif name not in ('PROTO', 'FRAME'):
      raise RefusedError(f'its pickle has the instruction {name}, which is refused')

  def named(self, name: str) -> Named:
    """What a global stands for, by its whole name."""
    storage = name.startswith('torch.') and name.removeprefix('torch.') in _DTYPES
    if not storage and name not in (DICT, TENSOR):
      raise RefusedError(f'its pickle names the global {name!r:.80}, which is refused')
    return Named(name)

  def called(self, name: str, arguments: tuple[Any, ...]) -> Any:
    """What a call of a global returns."""
    if name == DICT:
      found: dict[Any, Any] = collections.OrderedDict()
      for pair in of(list, arguments[0]) if arguments else ():  # as Python 2 wrote it
        key, value = pair
        found[_key(key)] = value
      return found
    if name != TENSOR:
      raise RefusedError(f'its pickle calls {name}, which is refused')
    storage, offset, shape, strides = arguments[:4]
    sizes = [of(int, size) for size in (offset, *of(tuple, shape), *of(tuple, strides))]
    if max(sizes) >= 2**63:
      raise ValueError('a size of more than 63 bits')
    return Tensor(of(Storage, storage), offset, shape, strides)

  def built(self, value: Any, state: Any) -> None:
    """Gives a value its attributes; those of a dict count for nothing."""
    del state
    of(dict, value)

  def to_mark(self) -> list[Any]:
    """Takes what lies above the topmost mark, and the mark."""
    place = next(i for i in range(len(self.stack) - 1, -1, -1) if self.stack[i] is _MARK)
    values = self.stack[place + 1 :]
    del self.stack[place:]
    return values

  def _storage(self, about: tuple[Any, ...]) -> Storage:
    kind, dtype, key, _, size, *view = about
    name = dtype.name.removeprefix('torch.') if isinstance(dtype, Named) else ''
    if kind != 'storage' or name not in _DTYPES or any(part is not None for part in view):
      raise RefusedError('its pickle names a storage in another way than PyTorch does')
    storage = Storage(of(str, key), _DTYPES[name], of(int, size))
    return self.storages.setdefault(storage.key, storage)


def _key(key: Any) -> Any:
  """A key of a dict, once it is known that to hash it is quick."""
  if isinstance(key, str | int):
    return key
  raise RefusedError(f'it names a tensor by a {type(key).__name__} in place of a string')


def of(kind: Any, value: Any) -> Any:
  """The value, once it is known to be of a kind."""
  if not isinstance(value, kind):
    raise ValueError(f'a {type(value).__name__} in place of a {kind.__name__}')
  return value
