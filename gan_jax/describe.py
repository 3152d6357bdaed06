"""Says what both players of a config are, without making them: layers, shapes, weights, work."""

import json
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from gan_jax import build
from gan_jax.ops import counting
from gan_jax.runtime import parallel
from gan_jax.text import columns
from gan_jax.workdir import files


class Layer(NamedTuple):
  """A module of a network.

  Attributes:
    path: from the network down, with `/` between; '' is the network.
    kind: name of its class.
    shapes: of what it returns, a batch of one.
    weights: trained ones within it.
    multiply_adds: of one image through it, forwards.
  """

  path: str
  kind: str
  shapes: tuple[tuple[int, ...], ...]
  weights: int
  multiply_adds: int


class Player(NamedTuple):
  """A network.

  Attributes:
    name: 'generator' or 'discriminator'.
    layers: in the order in which they are called, the network itself first.
    fixed: values beside the trained weights: averages, vectors, weights that stay.
  """

  name: str
  layers: list[Layer]
  fixed: int


class Description(NamedTuple):
  """Both players, and a step of theirs.

  Attributes:
    players: generator and discriminator.
    step: multiply-adds of a training step.
    images: real images that it shows.
  """

  players: tuple[Player, Player]
  step: int
  images: int


def describe(config: ConfigDict, channels: int, num_classes: int) -> Description:
  """Describes the players of a config for images of some kind; allocates nothing on a device.

  Args:
    config: of a run.
    channels: of its images.
    num_classes: of its dataset; used where the model is conditional.

  Raises:
    UserError: for a config that no run can have.
  """
  build.check(config)
  parts = build.networks(config, channels, num_classes)
  generator, discriminator = parts.generator, parts.discriminator
  labels = jax.ShapeDtypeStruct((1,), jnp.int32)
  latents = jax.ShapeDtypeStruct((1, generator.latent_size), jnp.float32)
  players = _player('generator', generator, latents, labels)
  images = jax.eval_shape(
    lambda z, y: generator.init_with_output(jax.random.key(0), z, y, train=False)[0],
    *(latents, labels),
  )
  judged = _player('discriminator', discriminator, images, labels)
  step, shown = _of_step(config, parts, images.shape[1:])
  return Description((players, judged), step, shown)


def channels_and_classes(config: ConfigDict) -> tuple[int, int]:
  """Of the config's dataset.

  Raises:
    UserError: where it is not there.
  """
  train = build.trained_on(config)
  return train.shape[-1], train.num_classes


def _player(name: str, network: nn.Module, x: Any, labels: Any) -> Player:
  network = network.clone(axis_name=None)  # on no device
  order: dict[str, tuple[str, tuple[tuple[int, ...], ...]]] = {}

  def watch(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    result = call(*args, **kwargs)
    path = '/'.join(context.module.path)
    shapes = tuple(leaf.shape for leaf in jax.tree.leaves(result) if hasattr(leaf, 'shape'))
    # Of several calls, the last: a network itself is called once.
    if context.method_name == '__call__':
      order[path] = (type(context.module).__name__, shapes)
    return result

  def run(x: Any, labels: Any) -> Any:
    return network.init(jax.random.key(0), x, labels, train=False)

  with nn.intercept_methods(watch):
    variables = jax.eval_shape(run, x, labels)
  counts = counting.multiply_adds(
    jax.make_jaxpr(lambda v, x, y: network.apply(v, x, y, train=False))(variables, x, labels)
  )
  weights = traverse_util.flatten_dict(variables['params'], sep='/')
  within = lambda path, name: not path or name == path or name.startswith(f'{path}/')
  # Name stacks name the network's class, and methods of classes, between the modules.
  modules = lambda stack: [part for part in stack.split('/') if part and '.' not in part]
  first = type(network).__name__
  placed = [('/'.join(modules(stack.partition(first)[2])), n) for stack, n in counts.items()]
  work = lambda path: sum(count for inner, count in placed if within(path, inner))

  layers = [
    Layer(
      path,
      kind,
      shapes,
      sum(math.prod(leaf.shape) for name, leaf in weights.items() if within(path, name)),
      work(path),
    )
    for path, (kind, shapes) in sorted(order.items(), key=lambda item: item[0] != '')
  ]
  rest = {k: v for k, v in variables.items() if k != 'params'}
  fixed = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(rest))
  return Player(name, layers, fixed)


def _of_step(config: ConfigDict, parts: build.Networks, shape: tuple[int, ...]) -> tuple[int, int]:
  """Multiply-adds of a step over all devices, and the images that it shows."""
  recipe = build.recipe(config, parts)
  batch = build.batch_shapes(recipe.examples_per_step, shape)
  state, step = build.shapes(config, parts), build.train_step(config, parts)
  jaxpr = jax.make_jaxpr(step, axis_env=[(parallel.AXIS, 1)])(state, batch)
  return sum(counting.multiply_adds(jaxpr).values()), recipe.images_per_step


def show(found: Description, depth: int) -> None:
  """Prints the players as tables, with layers within layers down to a depth."""
  console = Console(width=columns())
  for player in found.players:
    network = player.layers[0]
    title = f'{player.name}: {network.weights:,} weights'
    if player.fixed:
      title += f', {player.fixed:,} other values (averages, vectors, weights that stay)'
    table = Table(title=title, title_justify='left')
    table.add_column('layer', overflow='fold')
    table.add_column('kind')
    table.add_column('result')
    for name in ('weights', 'million multiply-adds'):
      table.add_column(name, justify='right')
    for layer in player.layers:
      if not layer.path or layer.path.count('/') < depth:
        table.add_row(
          layer.path or 'all',
          layer.kind,
          ', '.join('x'.join(map(str, shape[1:])) or '1' for shape in layer.shapes),
          f'{layer.weights:,}',
          f'{layer.multiply_adds / 1e6:,.1f}',
        )
    console.print(table)
  print(
    f'a step: {found.step / 1e9:,.2f} billion multiply-adds for {found.images:,} images, '
    f'{found.step / found.images / 1e9:,.3f} an image; products and convolutions alone are counted'
  )


def write(found: Description, path: str) -> None:
  """Writes the same as JSON."""
  players = {
    player.name: {
      'weights': player.layers[0].weights,
      'other_values': player.fixed,
      'multiply_adds': player.layers[0].multiply_adds,
      'layers': [layer._asdict() for layer in player.layers],
    }
    for player in found.players
  }
  content = {**players, 'step_multiply_adds': found.step, 'step_images': found.images}
  files.write_named(path, '--json', json.dumps(content, indent=2) + '\n')
