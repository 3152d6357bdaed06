"""Reads a network's weights from a file that the user names; nothing is ever downloaded."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import safetensors
from safetensors.numpy import load_file

from gan_jax.errors import UserError
from gan_jax.pretrained.torch_weights import read_state_dict

State = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]

_FLOATS = (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)


def read_weights(
  path: str,
  network: str,
  published: str,
  shapes: Shapes,
  rename: Callable[[State], State] = lambda state: state,
) -> State:
  """Reads named tensors out of a `.safetensors` or a PyTorch `.pth` file, told by its content.

  Args:
    path: the file; '' where the user named none.
    network: the module whose weights they are, for the messages.
    published: the usual file and where it is to be had, for the messages.
    shapes: of the tensors that are needed; others in the file are left out.
    rename: brings a file's own names and layout to those of `shapes`.

  Returns:
    The tensors of `shapes`, in that order, float32.

  Raises:
    UserError: if no file is named, it is not there, damaged, or of neither format; if a tensor is
      missing, of another shape, not of floating point or not finite, or a variance is negative.
  """
  key = f'config.evaluate.weights.{network}'
  if not path:
    raise UserError(
      f"{key}='': names no file; accepted: the path of {published} "
      f'(command line: --weights={network}=FILE)'
    )
  try:
    return _select(rename(_read(path)), shapes)
  except OSError as error:
    found = error.strerror or type(error).__name__
  except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
    found = ' '.join(str(error).split()).removeprefix(f'{path}: ')
  raise UserError(f'{key}={path!r}: {found}; accepted: {published}')


def _read(path: str) -> State:
  with open(path, 'rb') as file:
    start = file.read(9)
  # A safetensors file begins with the length of its header in 8 bytes, then a JSON object.
  if start[8:] != b'{':
    return read_state_dict(path)
  try:
    return load_file(path)
  except AttributeError as error:  # of a type that NumPy has no name for
    raise ValueError(f'it has tensors of a type that is not read ({error})') from error


def _select(state: State, shapes: Shapes) -> State:
  for name, shape in shapes.items():
    if name not in state:
      raise ValueError(f'lacks the tensor {name}')
    found = state[name]
    if found.shape != shape:
      raise ValueError(f'its tensor {name} is of shape {list(found.shape)}, not {list(shape)}')
    if found.dtype not in _FLOATS:
      raise ValueError(f'its tensor {name} is of type {found.dtype}, not of floating point')
    if not np.isfinite(found).all():
      raise ValueError(f'its tensor {name} has values that are NaN or infinite')
    if name.endswith('running_var') and (found < 0).any():
      raise ValueError(f'its tensor {name} has variances below 0')
  return {name: state[name].astype(np.float32) for name in shapes}
