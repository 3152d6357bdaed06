"""R3GAN of its own repository."""

from collections.abc import Collection
from typing import Any

from gan_jax.share.published.reading import Converted, Tensors, binomial


def generates(tensors: Collection[str]) -> bool:
  """Whether tensors of these names are a generator's."""
  return any(name.endswith('AggregationLayer.Layer.weight') for name in tensors)


def knows(tensors: Collection[str]) -> bool:
  """Whether tensors of these names are a generator's or a discriminator's."""
  return generates(tensors) or any(
    name.endswith('ExtractionLayer.Layer.weight') for name in tensors
  )


def generator(found: Tensors) -> Converted:
  """Converts a generator.

  Raises:
    ValueError: for a part or a shape that no generator here has.
  """
  head = _head(found, 'AggregationLayer.Layer.weight')
  channels = found.shape(f'{head}AggregationLayer.Layer.weight')[0]
  embedded, num_classes = _embedding(found, head)
  found.conv(f'{head}AggregationLayer.Layer.weight', 'params/image')
  first = f'{head}MainLayers.0.Layers.0'
  latent_size = found.shape(f'{first}.LinearLayer.weight')[1] - embedded
  found.give(f'{first}.LinearLayer.weight', 'params/stem/kernel', 1, 0)
  found.give(f'{first}.Basis', 'params/basis', 1, 2, 0)
  stages, sizes = 0, _Sizes()
  while f'{head}MainLayers.{stages}.Layers.1.LinearLayer1.Layer.weight' in found:
    name = f'{head}MainLayers.{stages}.Layers'
    if stages:
      _change(found, f'{name}.0', stages)
    _blocks(found, name, 1, stages, sizes)
    stages += 1
  settings = sizes.settings()
  if num_classes:
    settings['embedding_size'] = embedded
  return Converted(
    'r3gan', settings, 4 << (stages - 1), channels, latent_size, num_classes, found.taken()
  )


def discriminator(found: Tensors) -> Converted:
  """Converts a discriminator.

  Raises:
    ValueError: for a part or a shape that no discriminator here has.
  """
  head = _head(found, 'ExtractionLayer.Layer.weight')
  channels = found.shape(f'{head}ExtractionLayer.Layer.weight')[1]
  embedded, num_classes = _embedding(found, head)
  found.conv(f'{head}ExtractionLayer.Layer.weight', 'params/image')
  stages = 0
  while f'{head}MainLayers.{stages}.Layers.0.LinearLayer1.Layer.weight' in found:
    stages += 1
  sizes = _Sizes()
  for number in reversed(range(stages)):  # its last stage is the one at 4 pixels
    name, stage = f'{head}MainLayers.{number}.Layers', stages - 1 - number
    last = _blocks(found, name, 0, stage, sizes)
    if stage:
      _change(found, f'{name}.{last}', stage - 1)
    else:
      found.give(f'{name}.{last}.LinearLayer.weight', 'params/head/kernel', 1, 0)
      basis = found.values(f'{name}.{last}.Basis.weight')
      found.variables['params/basis'] = basis[:, 0].transpose(1, 2, 0)
  settings = sizes.settings()
  if num_classes:
    settings['discriminator_embedding_size'] = embedded
  return Converted('r3gan', settings, 4 << (stages - 1), channels, 0, num_classes, found.taken())


class _Sizes:
  """What the blocks of all stages have, from 4 pixels upwards."""

  def __init__(self) -> None:
    self.widths: list[int] = []
    self.others: set[tuple[int, int, int]] = set()

  def settings(self) -> dict[str, Any]:
    """As the section of the config has them.

    Raises:
      ValueError: where stages differ in more than their width.
    """
    if len(self.others) != 1:
      raise ValueError(
        f'stages have unlike (blocks, group size, expansion): {sorted(self.others)}; wanted one'
      )
    ((blocks, group_size, expansion),) = self.others
    sizes = {'blocks': blocks, 'group_size': group_size, 'expansion': expansion}
    return {'widths': tuple(self.widths), **sizes}


def _head(found: Tensors, name: str) -> str:
  """What stands before all names: training wraps the network."""
  return 'Model.' if f'Model.{name}' in found else ''


def _embedding(found: Tensors, head: str) -> tuple[int, int]:
  """Takes the classes' embedding; its length, and the number of classes."""
  name = f'{head}EmbeddingLayer.weight'
  if name not in found:
    return 0, 0
  embedded, num_classes = found.shape(name)
  found.give(name, 'params/Embed_0/embedding', 1, 0)
  return embedded, num_classes


def _change(found: Tensors, name: str, stage: int) -> None:
  """Takes what lies between two stages."""
  found.constant(f'{name}.Resampler.Kernel', binomial())
  if f'{name}.LinearLayer.Layer.weight' in found:
    found.conv(f'{name}.LinearLayer.Layer.weight', f'params/stages/change{stage}')


def _blocks(found: Tensors, name: str, first: int, stage: int, sizes: _Sizes) -> int:
  """Takes the residual blocks of a stage; the place after the last."""
  place = first
  while f'{name}.{place}.LinearLayer1.Layer.weight' in found:
    block, path = f'{name}.{place}', f'params/stages/stage{stage}_block{place - first}'
    wide, width = found.shape(f'{block}.LinearLayer1.Layer.weight')[:2]
    group_size = found.shape(f'{block}.LinearLayer2.Layer.weight')[1]
    for layer, ours in (('1', 'widen'), ('2', 'mix'), ('3', 'narrow')):
      found.conv(f'{block}.LinearLayer{layer}.Layer.weight', f'{path}/{ours}')
    for layer in ('1', '2'):
      found.give(f'{block}.NonLinearity{layer}.Bias', f'{path}/bias{layer}/bias')
    place += 1
  sizes.widths.append(width)
  sizes.others.add((place - first, group_size, wide // width))
  return place
