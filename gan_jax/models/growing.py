"""How a network begins as one of lower resolution that was trained before.

New stages stand next to the image and begin as nothing: a generator's images are the smaller one's,
upsampled, and a discriminator's logits are the smaller one's of the downsampled images (both by
`resample`). So Karras et al. 2018 (arXiv:1710.10196) begin, who fade new stages in by a schedule;
here a layer that begins at zero does, as learned residuals do (Bachlechner et al. 2020,
arXiv:2003.04887): nothing has to be known of the time, and the network is the same ever after.

A network's arrays are told by paths, `params/conv1/kernel`. The stages of `stylegan2` are named by
their side and those of `r3gan` from 4 pixels up; `dcgan` counts from the image, so that its names
move.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError

Arrays = Mapping[str, Any]
"""Arrays of a network by path."""


class Begun(NamedTuple):
  """How the arrays of a grown network begin that are not as in a fresh one.

  Attributes:
    moved: path in the smaller network to that in the grown one, of arrays taken as they are.
    made: path in the grown network to the array that it begins with.
    folded: paths of the smaller network's arrays that are within those made.
  """

  moved: dict[str, str]
  made: dict[str, np.ndarray]
  folded: tuple[str, ...] = ()


class Rule(NamedTuple):
  """How an architecture grows.

  Attributes:
    settings: `(section of the smaller, own section, doublings)`: keys of the config's section with
      the values that growing takes.
    begin: `(player, fresh arrays, arrays of the smaller network, doublings)`.
  """

  settings: Callable[[Mapping[str, Any], Mapping[str, Any], int], dict[str, Any]]
  begin: Callable[[str, Arrays, Arrays, int], Begun]


def _zeros(fresh: Arrays, *names: str) -> dict[str, np.ndarray]:
  """Zeros for each array whose path, without its collection, is among the names."""
  found = (path for path in fresh if path.partition('/')[2] in names)
  return {path: np.zeros(fresh[path].shape, np.float32) for path in found}


def _dcgan_settings(
  old: Mapping[str, Any], new: Mapping[str, Any], doublings: int
) -> dict[str, Any]:
  if new['discriminator_norm'] == 'spectral':
    raise UserError(
      "config.dcgan.discriminator_norm='spectral': divides a layer by its norm, so that none can "
      "begin at zero; growing takes 'batch' or 'none'"
    )
  return {
    'width': old['width'] >> doublings,
    'grown_stages': old.get('grown_stages', 0) + doublings,
  }


def _dcgan(player: str, fresh: Arrays, old: Arrays, doublings: int) -> Begun:
  def further(path: str) -> str:
    collection, _, rest = path.partition('/')
    found = re.fullmatch(r'(conv|norm|bias|image)(\d*)(/.*)', rest)
    if found is None:
      return path
    layer, place = found[1], int(found[2] or 0)
    if player == 'discriminator' and (layer, place) == ('conv', 0):
      layer = 'image'  # what the first layer saw, a later one sees halved
    return f'{collection}/{layer}{place + doublings}{found[3]}'

  moved = {path: further(path) for path in old}
  if player == 'discriminator':
    return Begun(moved, _zeros(fresh, f'conv{doublings}/kernel'))
  new = [f'image{n}/kernel' if n else 'image/kernel' for n in range(doublings)]
  return Begun(moved, _zeros(fresh, *new))


def _stylegan2_settings(
  old: Mapping[str, Any], new: Mapping[str, Any], doublings: int
) -> dict[str, Any]:
  everywhere = new['discriminator_architecture'] == 'skip'  # the image enters at every stage
  grown = old.get('grown_stages', 0)
  return {
    'generator_architecture': 'skip',
    'grown_stages': grown if everywhere else grown + doublings,
  }


def _stylegan2(player: str, fresh: Arrays, old: Arrays, doublings: int) -> Begun:
  del doublings
  moved = {path: path for path in old}
  stages = lambda arrays: {int(n) for path in arrays for n in re.findall(r'/block(\d+)/', path)}
  new = sorted(stages(fresh) - stages(old))
  if player == 'generator':
    return Begun(moved, _zeros(fresh, *(f'block{side}/image/kernel' for side in new)))
  last = [f'block{new[0]}/{layer}/kernel' for layer in ('conv1', 'skip')] if new else []
  return Begun(moved, _zeros(fresh, *last))


def _r3gan_settings(
  old: Mapping[str, Any], new: Mapping[str, Any], doublings: int
) -> dict[str, Any]:
  before, own = tuple(old['widths']), tuple(new['widths'])
  more = own[len(before) : len(before) + doublings]
  return {'widths': (*before, *more, *before[-1:] * (doublings - len(more)))}


def _r3gan(player: str, fresh: Arrays, old: Arrays, doublings: int) -> Begun:
  """New blocks are nothing at first, as published; what is left is the layer at the image.

  Where the width changes, that layer becomes two, whose product it is: the smaller one's in as many
  channels as an image has, and one that hands these on. The other channels are a fresh network's.
  """
  image, generates = 'params/image/kernel', player == 'generator'
  moved: dict[str, str] = {path: path for path in old}
  made: dict[str, np.ndarray] = {}
  folded: tuple[str, ...] = ()
  layer = np.asarray(old[image])[0, 0]
  colours = layer.shape[1 if generates else 0]
  known = [int(n) for path in old for n in re.findall(r'/stage(\d+)_block0/widen/', path)]
  for stage in range(max(known) + 1, max(known) + 1 + doublings):
    # Named by the stage that it leads to.
    path = f'params/stages/change{stage if generates else stage - 1}/kernel'
    if path not in fresh:
      continue
    change = np.array(fresh[path])[0, 0]
    width = change.shape[1 if generates else 0]
    if width < colours:
      raise UserError(
        f'config.r3gan.widths: a new stage of width {width}; growing takes at least the '
        f"images' {colours} channels"
      )
    if generates:
      change[:, :colours] = layer
      layer = np.eye(width, colours, dtype=np.float32)
    else:
      # Of the images' channels comes what the next layer takes of them, and of the others nothing.
      change[colours:, : layer.shape[1]] = 0
      change[:colours, : layer.shape[1]] = layer
      layer = np.eye(colours, dtype=np.float32)
    made[path] = change[None, None]
  if made:
    del moved[image]
    folded = (image,)
    first = layer if generates else np.array(fresh[image])[0, 0]
    if not generates:
      first[:, :colours] = layer
    made[image] = first[None, None]
  return Begun(moved, made, folded)


RULES = {
  'dcgan': Rule(_dcgan_settings, _dcgan),
  'r3gan': Rule(_r3gan_settings, _r3gan),
  'stylegan2': Rule(_stylegan2_settings, _stylegan2),
}
"""The architectures that grow, by name."""
