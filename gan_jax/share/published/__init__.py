"""Networks of StyleGAN2-ADA, StyleGAN3 (its StyleGAN2) and R3GAN, in the names and layouts here.

A file is the `.pkl` of their training loops, a state dict of PyTorch (`.pt`, `.pth`) or safetensors
with the same names. What a network is made of is read off the shapes of its tensors; what these do
not show, off the attributes that a pickle has beside them.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_jax.errors import UserError
from gan_jax.pretrained import network_pickle, torch_weights
from gan_jax.pretrained.network_pickle import Network
from gan_jax.share import weights
from gan_jax.share.published import r3gan, stylegan2
from gan_jax.share.published.reading import Converted, Tensors

ENDINGS = ('.pkl', '.pt', '.pth', '.safetensors')
_GENERATORS, _DISCRIMINATORS = ('G_ema', 'G'), ('D',)
_ARCHITECTURES = (stylegan2, r3gan)


class Published(NamedTuple):
  """What a file holds.

  Attributes:
    generator: the averaged one where there are two; or None.
    discriminator: or None.
  """

  generator: Converted | None
  discriminator: Converted | None


def read(path: str) -> Published:
  """Reads and converts the networks of a file.

  Raises:
    UserError: where it cannot be read, or holds networks that are not known; names what.
  """
  try:
    networks = _networks(path)
  except OSError as error:
    raise UserError(f'{path}: cannot be read: {error.strerror}') from error
  except ValueError as error:
    raise error if isinstance(error, UserError) else UserError(str(error)) from error
  pick = lambda names: next((networks[name] for name in names if name in networks), None)
  found = Published(
    _converted(path, 'generator', pick(_GENERATORS)),
    _converted(path, 'discriminator', pick(_DISCRIMINATORS)),
  )
  if found == (None, None):
    raise UserError(f'{path}: its tensors are named as those of no network that is known here')
  return found


def _networks(path: str) -> dict[str, Network]:
  """The networks of a file, by the names that training loops have for them."""
  if path.endswith('.pkl'):
    return network_pickle.read_networks(path, (*_GENERATORS, *_DISCRIMINATORS))
  read: Callable[[str], dict[str, Any]] = (
    weights.read if path.endswith('.safetensors') else torch_weights.read_state_dict
  )
  tensors = read(path)
  heads = {name.split('.')[0] for name in tensors}
  names = (*_GENERATORS, *_DISCRIMINATORS)
  if heads & set(names):  # one file of several
    of = lambda name: Network('', _within(tensors, f'{name}.'), {})
    return {name: of(name) for name in names if name in heads}
  network = Network('', tensors, {})
  generates = any(module.generates(tensors) for module in _ARCHITECTURES)
  return {'G_ema' if generates else 'D': network}


def _within(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
  """Those whose names begin so, called without it."""
  return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _converted(path: str, player: str, network: Network | None) -> Converted | None:
  if network is None:
    return None
  for module in _ARCHITECTURES:
    if module.knows(network.tensors):
      try:
        return getattr(module, player)(Tensors(network))
      except (KeyError, ValueError, IndexError) as error:
        text = ' '.join(str(error).split())[:200]
        raise UserError(f'{path}: no {player} that is known here: {text}') from error
  some = ', '.join(sorted(network.tensors)[:3])
  raise UserError(
    f'{path}: a {player} that is not known here (tensors {some:.120}, …); accepted: those of '
    f'StyleGAN2-ADA, of the StyleGAN2 configurations of StyleGAN3, of R3GAN'
  )


def is_one(path: str) -> bool:
  """Whether a path has the ending of such a file."""
  return os.path.splitext(path)[1] in ENDINGS and os.path.isfile(path)
