"""Reads networks out of the `.pkl` files of StyleGAN2-ADA, StyleGAN3 and R3GAN, running nothing.

Such a file holds whole modules of PyTorch, and, of NVIDIA's, the text of their code, which their
own reader executes. Here a module is the name of its class and its attributes, no more: the classes
are those of the architectures that are known, whatever else the file names is refused, and the text
of the code is not looked at.
"""

import math
import mmap
import os
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from gan_jax.pretrained import torch_pickle, torch_weights
from gan_jax.pretrained.torch_pickle import DICT, TENSOR, Named, RefusedError, of

# By the functions of a module of NVIDIA's that a file names, these classes are made of its data.
_PERSISTENT = {
  *('Generator', 'Discriminator', 'MappingNetwork', 'SynthesisNetwork', 'SynthesisBlock'),
  *('SynthesisLayer', 'ToRGBLayer', 'FullyConnectedLayer', 'Conv2dLayer', 'DiscriminatorBlock'),
  *('MinibatchStdLayer', 'DiscriminatorEpilogue', 'AugmentPipe'),
}
_R3GAN = (
  *('Generator', 'Discriminator', 'GeneratorStage', 'DiscriminatorStage', 'UpsampleLayer'),
  *('DownsampleLayer', 'GenerativeBasis', 'DiscriminativeBasis', 'ResidualBlock', 'Convolution'),
)
_MODULES = {
  *(f'R3GAN.Networks.{name}' for name in _R3GAN),
  *('R3GAN.FusedOperators.BiasedActivationCUDA', 'R3GAN.FusedOperators.BiasedActivationReference'),
  *(f'R3GAN.Resamplers.Interpolative{way}sampler{kind}'
    for way in ('Up', 'Down') for kind in ('CUDA', 'Reference')),
  *('training.networks.Generator', 'training.networks.Discriminator'),
  *('torch.nn.modules.container.ModuleList', 'torch.nn.modules.conv.Conv2d'),
  'torch.nn.modules.linear.Linear',
}  # fmt: skip
_EASY_DICTS = ('dnnlib.util.EasyDict', 'dnnlib.EasyDict')
_PERSISTED = 'torch_utils.persistence._reconstruct_persistent_obj'
_PARAMETER, _STORAGE = 'torch._utils._rebuild_parameter', 'torch.storage._load_from_bytes'
_SCALARS = ('numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar')
_SETS = ('builtins.set', '__builtin__.set')
_TYPES = {'torch.float32', 'torch.float16', 'torch.bfloat16', 'torch.float64'}
_CALLABLE = {DICT, TENSOR, _PERSISTED, _PARAMETER, _STORAGE, 'numpy.dtype', *_SCALARS, *_SETS}
_BYTES = ('BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8')
_DEPTH, _MOST_MODULES, _MOST_VALUES = 32, 2**16, 2**28


class Network(NamedTuple):
  """A module and all within it.

  Attributes:
    kind: name of its class, `Generator`.
    tensors: parameters and buffers by their names in PyTorch, `mapping.fc0.weight`.
    attributes: numbers, switches and texts of it and of the modules within, likewise.
  """

  kind: str
  tensors: dict[str, np.ndarray]
  attributes: dict[str, Any]


def read_networks(path: str | os.PathLike, names: Collection[str]) -> dict[str, Network]:
  """Reads networks of a file by the names that it has for them.

  Args:
    path: a pickle as the training loops of StyleGAN2-ADA, StyleGAN3 and R3GAN write it.
    names: of those wanted, such as `G_ema` and `D`; what the file lacks is left out.

  Raises:
    ValueError: where the file is damaged or cut short, holds no networks, or names a class or a
      function that no such network needs; says which. Nothing of it has been run then.
  """
  try:
    with (
      open(path, 'rb') as file,
      mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
      found, _ = torch_pickle.load(mapped, _Machine())
    if not isinstance(found, dict):
      raise RefusedError(f'it holds a {type(found).__name__} in place of a dict of networks')
    modules = {name: found[name] for name in names if isinstance(found.get(name), _Module)}
    if not modules:
      raise RefusedError(f'it holds no network called {" or ".join(names)}')
    return {name: _flat(module) for name, module in modules.items()}
  except OSError:
    raise
  except RefusedError as error:
    raise ValueError(f'{path}: {_line(error)}') from error
  except Exception as error:  # a damaged pickle raises whatever its instructions run into
    text = f'damaged or cut short ({type(error).__name__}: {_line(error)})'
    raise ValueError(f'{path}: {text}') from error


class _Module:
  """A module as the file has it."""

  def __init__(self, kind: str, state: Any):
    self.kind, self.state = kind, state


class _Stored(NamedTuple):
  """The bytes of a storage, not yet looked at."""

  content: bytes


class _View(NamedTuple):
  """A tensor, not yet made."""

  stored: _Stored
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


class _Unused(NamedTuple):
  """What networks are pickled along with, and nobody here needs."""


class _Machine(torch_pickle.Machine):
  """Carries out what modules are pickled by, beyond what state dicts are."""

  def step(self, name: str, argument: Any) -> None:
    if name in _BYTES:
      self.stack.append(argument)
    elif name == 'EMPTY_SET':
      self.stack.append(_Unused())
    elif name == 'ADDITEMS':
      self.to_mark()
      of(_Unused, self.stack[-1])
    elif name == 'NEWOBJ':
      of(tuple, self.stack.pop())
      self.stack.append(_new(of(Named, self.stack.pop()).name))
    elif name == 'BINPERSID':
      raise RefusedError('its pickle names a storage outside of it, which no such file does')
    else:
      super().step(name, argument)

  def named(self, name: str) -> Named:
    """Accepts the classes and functions that are known; refuses all others by name."""
    if name not in {*_CALLABLE, *_MODULES, *_EASY_DICTS, *_TYPES}:
      raise RefusedError(f'it names {name!r:.80}, which is none of the classes that are known')
    return Named(name)

  def called(self, name: str, arguments: tuple[Any, ...]) -> Any:
    """Notes what a call would make; makes dicts alone."""
    if name == _PERSISTED:
      return _persisted(of(dict, arguments[0]))
    if name == _STORAGE:
      return _Stored(of(bytes, arguments[0]))
    if name == TENSOR:
      stored, offset, shape, strides = arguments[:4]
      for size in (offset, *of(tuple, shape), *of(tuple, strides)):
        if not 0 <= of(int, size) < 2**48:
          raise RefusedError('a tensor of a size that no file holds')
      return _View(of(_Stored, stored), offset, shape, strides)
    if name == _PARAMETER:
      return of(_View, arguments[0])
    if name in _SCALARS:
      return _number(of(bytes, arguments[1]))
    if name == 'numpy.dtype' or name in _SETS:
      return _Unused()
    if name == DICT:
      return super().called(name, arguments)
    raise RefusedError(f'it calls {name!r:.80}, which is no function that networks need')

  def built(self, value: Any, state: Any) -> None:
    """Gives a module its attributes."""
    if isinstance(value, _Module):
      value.state = state
    elif not isinstance(value, _Unused):
      super().built(value, state)


def _new(name: str) -> Any:
  if name in _EASY_DICTS:
    return {}
  if name in _MODULES:
    return _Module(name, {})
  raise RefusedError(f'it makes a {name!r:.80}, which is no class of a network')


def _persisted(about: dict[Any, Any]) -> _Module:
  """A module of NVIDIA's: its class by name; the code beside it is left alone."""
  kind = of(str, about.get('class_name'))
  if kind not in _PERSISTENT:
    raise RefusedError(f'it holds the class {kind!r:.80}, which is not among those that are known')
  return _Module(kind, about.get('state'))


def _number(content: bytes) -> float | None:
  """A scalar of NumPy's, of which networks have those of eight bytes: double precision."""
  return float(np.frombuffer(content, '<f8')[0]) if len(content) == 8 else None


def _flat(module: _Module) -> Network:
  """A module's tensors and attributes by whole names."""
  network = Network(module.kind.rsplit('.', 1)[-1], {}, {})
  left = [(module, '', 0)]
  count = size = 0
  while left:
    each, prefix, depth = left.pop()
    count += 1
    if depth > _DEPTH or count > _MOST_MODULES:
      raise RefusedError('its modules are within each other deeper, or more, than any network has')
    state = of(dict, each.state)
    for group in ('_parameters', '_buffers'):
      for name, value in of(dict, state.get(group, {})).items():
        if value is not None:
          size += math.prod(of(_View, value).shape)
          if size > _MOST_VALUES:
            raise RefusedError(f'a network of it has more than {_MOST_VALUES:,} values')
          network.tensors[f'{prefix}{name}'] = _array(f'{prefix}{name}', value)
    for name, value in state.items():
      if value is None or isinstance(value, bool | int | float | str):
        network.attributes[f'{prefix}{name}'] = value
    for name, value in of(dict, state.get('_modules', {})).items():
      if value is not None:
        left.append((of(_Module, value), f'{prefix}{name}.', depth + 1))
  return network


def _array(name: str, view: _View) -> np.ndarray:
  flat = torch_weights.read_storage(view.stored.content)
  return torch_weights.strided(name, flat, view.offset, view.shape, view.strides)


def _line(error: Exception) -> str:
  return ' '.join(str(error).split())[:200]
