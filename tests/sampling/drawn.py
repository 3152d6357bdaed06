"""Small models that nothing has trained: their weights are drawn."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.models import biggan, dcgan, fastgan, gat, r3gan, resnet, stylegan2
from gan_jax.sampling.model import Model
from tests.models.drawn import draw

NAMES = ('cat', 'a dog', '猫')
MODULES = {
  'dcgan': (dcgan, {'width': 8}),
  'resnet': (resnet, {'width': 4}),
  'biggan': (biggan, {'width': 4, 'shared_embedding': 4}),
  'r3gan': (r3gan, {'widths': (16, 16, 16), 'blocks': 1}),
  'fastgan': (fastgan, {'width': 8, 'blocks': 'one'}),
  'stylegan2': (
    stylegan2,
    {'channel_base': 128, 'channel_max': 16, 'w_size': 16, 'mapping_layers': 2},
  ),
  'gat': (gat, {'depth': 4, 'width': 16, 'heads': 2}),
}


def model(name='dcgan', size=(16, 16), channels=1, dtype=np.uint8, classes=3, **options):
  """A model of an architecture, with 8 numbers a latent."""
  module, fields = MODULES[name]
  generator = module.Generator(size, channels, 8, num_classes=classes, **fields)
  init = jax.jit(
    lambda: generator.init(jax.random.key(0), jnp.zeros((1, 8)), jnp.zeros(1, int), train=False)
  )
  names = NAMES[:classes]
  return Model(generator, moved(init()), dtype, name=name, class_names=names, **options)


def moved(variables):
  """What training moves, away from its first value, at which much of it does nothing."""
  move = lambda path, x: x + draw(jax.tree_util.keystr(path), x.shape) / 4
  variables = dict(jax.tree_util.tree_map_with_path(move, jax.device_get(variables)))
  if 'batch_stats' in variables:
    variables['batch_stats'] = jax.tree.map(np.abs, variables['batch_stats'])
  return variables
