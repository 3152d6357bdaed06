"""StyleGAN2 of stylegan2-ada-pytorch and of stylegan3 (`--cfg=stylegan2`)."""

from collections.abc import Collection

from gan_jax.models.noise import FIXED
from gan_jax.share.published.reading import Converted, Tensors, binomial

_ARCHITECTURES = {'skip', 'resnet', 'orig'}
_MAPPING_RATE = 0.01
_RESOLUTIONS = [4 << n for n in range(11)]


def generates(tensors: Collection[str]) -> bool:
  """Whether tensors of these names are a generator's."""
  return 'synthesis.b4.const' in tensors


def knows(tensors: Collection[str]) -> bool:
  """Whether tensors of these names are a generator's or a discriminator's."""
  return generates(tensors) or 'b4.fc.weight' in tensors


def generator(found: Tensors) -> Converted:
  """Converts a generator; its constant noise is kept as noise that is the same for all images.

  Raises:
    ValueError: for a part or a shape that no generator here has.
  """
  _check_attributes(found)
  sides = [side for side in _RESOLUTIONS if f'synthesis.b{side}.conv1.weight' in found]
  w_size = found.shape('synthesis.b4.conv1.affine.weight')[1]
  widths = {side: found.shape(f'synthesis.b{side}.conv1.weight')[0] for side in sides}
  last = f'synthesis.b{sides[-1]}'
  channels = found.shape(f'{last}.torgb.weight')[0]
  skips, images = f'{last}.skip.weight' in found, 'synthesis.b4.torgb.weight' in found
  kind = 'residual' if skips else 'skip' if images else 'plain'
  noisy = 'synthesis.b4.conv1.noise_strength' in found
  num_classes, layers, latent_size = _mapping(found, 'mapping', 'to_w', w_size)
  if 'mapping.w_avg' in found:
    found.give('mapping.w_avg', 'averages/w')
  else:
    raise ValueError('mapping.w_avg is missing: without it nothing can be truncated')
  found.give('synthesis.b4.const', 'params/constant', 1, 2, 0)
  for side in sides:
    name, path = f'synthesis.b{side}', f'params/block{side}'
    _filter(found, name)
    for layer in ('conv0', 'conv1') if side > 4 else ('conv1',):
      _filter(found, f'{name}.{layer}')
      found.conv(f'{name}.{layer}.weight', f'{path}/{layer}/conv')
      found.dense(f'{name}.{layer}.affine', f'{path}/{layer}/conv/style')
      found.give(f'{name}.{layer}.bias', f'{path}/{layer}/bias')
      if noisy:
        found.give(f'{name}.{layer}.noise_strength', f'{path}/{layer}/noise/strength')
        place = f'{FIXED}/block{side}/{layer}/noise/plane'
        found.give(f'{name}.{layer}.noise_const', place, 0, 1)
    if skips and side > 4:
      _filter(found, f'{name}.skip')
      found.conv(f'{name}.skip.weight', f'{path}/skip')
    if f'{name}.torgb.weight' in found:
      found.conv(f'{name}.torgb.weight', f'{path}/image')
      found.dense(f'{name}.torgb.affine', f'{path}/image/style')
      found.give(f'{name}.torgb.bias', f'{path}/bias')
  settings = {
    **_sizes(widths),
    **{'w_size': w_size, 'mapping_layers': layers, 'generator_architecture': kind, 'noise': noisy},
    **{'clamp': _clamp(found), 'fixed_noise': noisy},
  }
  variables = found.taken()
  return Converted('stylegan2', settings, sides[-1], channels, latent_size, num_classes, variables)


def discriminator(found: Tensors) -> Converted:
  """Converts a discriminator.

  Raises:
    ValueError: for a part or a shape that no discriminator here has.
  """
  _check_attributes(found)
  sides = [side for side in _RESOLUTIONS[1:] if f'b{side}.conv0.weight' in found]
  widths = {side: found.shape(f'b{side}.conv0.weight')[0] for side in sides}
  widths[4] = found.shape('b4.conv.weight')[0]
  channels = found.shape(f'b{sides[-1]}.fromrgb.weight')[1]
  skips, images = f'b{sides[-1]}.skip.weight' in found, 'b4.fromrgb.weight' in found
  kind = 'residual' if skips else 'skip' if images else 'plain'
  deviation = found.shape('b4.conv.weight')[1] - widths[4]
  if deviation not in (0, 1):
    raise ValueError(f'b4.mbstd has {deviation} channels, wanted one or none')
  group = found.attribute('b4.mbstd.group_size', 4)
  if not isinstance(group, int) or isinstance(group, bool):
    raise ValueError(f'b4.mbstd.group_size is {group}, wanted a number')
  num_classes = 0
  if 'mapping.embed.weight' in found:
    num_classes, _, _ = _mapping(found, 'mapping', 'mapping', 0)
  for side in sides:
    name, path = f'b{side}', f'params/block{side}'
    _filter(found, name)
    if f'{name}.fromrgb.weight' in found:
      _layer(found, f'{name}.fromrgb', f'{path}/image')
    _layer(found, f'{name}.conv0', f'{path}/conv0')
    _layer(found, f'{name}.conv1', f'{path}/conv1')
    if skips:
      _filter(found, f'{name}.skip')
      found.conv(f'{name}.skip.weight', f'{path}/skip')
  if images:
    _layer(found, 'b4.fromrgb', 'params/image')
  _layer(found, 'b4.conv', 'params/conv')
  flat = found.values('b4.fc.weight')
  kernel = flat.reshape(len(flat), -1, 4, 4).transpose(2, 3, 1, 0).reshape(-1, len(flat))
  found.variables['params/dense/kernel'] = kernel
  found.give('b4.fc.bias', 'params/dense/bias')
  found.dense('b4.out', 'params/logit')
  settings = {
    **_sizes(widths),
    **{'discriminator_architecture': kind, 'clamp': _clamp(found)},
    'deviation_group': group if deviation else 0,
  }
  return Converted('stylegan2', settings, sides[-1], channels, 0, num_classes, found.taken())


def _layer(found: Tensors, name: str, path: str) -> None:
  """A convolution with bias."""
  _filter(found, name)
  found.conv(f'{name}.weight', path)
  found.give(f'{name}.bias', f'{path}/bias')


def _filter(found: Tensors, name: str) -> None:
  if f'{name}.resample_filter' in found:
    found.constant(f'{name}.resample_filter', binomial())


def _mapping(found: Tensors, name: str, path: str, w_size: int) -> tuple[int, int, int]:
  """Takes a mapping network; its number of classes, of layers, and the length of its latents."""
  num_classes = embedded = 0
  if f'{name}.embed.weight' in found:
    embedded, num_classes = found.shape(f'{name}.embed.weight')
    found.dense(f'{name}.embed', f'params/{path}/classes')
  if embedded and w_size and embedded != w_size:
    raise ValueError(f'{name}.embed makes {embedded} numbers, wanted as many as w has, {w_size}')
  latent_size = found.shape(f'{name}.fc0.weight')[1] - embedded
  layers = 0
  while f'{name}.fc{layers}.weight' in found:
    rate = found.attribute(f'{name}.fc{layers}.bias_gain', _MAPPING_RATE)
    if rate != _MAPPING_RATE:
      raise ValueError(f'{name}.fc{layers} learns at {rate} of the rate, wanted {_MAPPING_RATE}')
    found.dense(f'{name}.fc{layers}', f'params/{path}/layer{layers}')
    layers += 1
  return num_classes, layers, latent_size


def _sizes(widths: dict[int, int]) -> dict[str, int]:
  """The two settings that all widths come from."""
  most = widths[4]
  narrow = [side for side, width in widths.items() if width < most]
  side = min(narrow) if narrow else max(widths)
  base = widths[side] * side
  if any(width != min(base // side, most) for side, width in widths.items()):
    raise ValueError(f'widths {widths} are not a base over the side, at most {most}')
  return {'channel_base': base, 'channel_max': most}


def _clamp(found: Tensors) -> float:
  """Bound of the layers' values; state dicts do not tell it: 0, none."""
  values = {0 if value is None else value for value in found.attributes('conv_clamp')} or {0}
  if len(values) > 1:  # layers without an activation have none
    values.discard(0)
  (value,) = values
  return float(value)


def _check_attributes(found: Tensors) -> None:
  """Refuses what tensors do not show and networks here do not do."""
  for name, accepted in (('activation', {'lrelu', 'linear'}), ('architecture', _ARCHITECTURES)):
    other = found.attributes(name) - accepted
    if other:
      raise ValueError(f'{name} {sorted(map(str, other))}, wanted one of {sorted(accepted)}')
