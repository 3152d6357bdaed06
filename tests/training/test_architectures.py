"""Every architecture takes steps as a config makes them, with what belongs to it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from configs import default
from gan_jax import build
from gan_jax.sampling.sampler import Sampler
from gan_jax.training.state import initializer
from gan_jax.training.step import make_train_step

BATCH = 4
# Keys of each case; a name may be there twice, with another's discriminator.
SMALL = {
  'resnet': {'dataset.resolution': 16, 'resnet.width': 2, 'loss.name': 'hinge'},
  'biggan': {
    **{'dataset.resolution': 32, 'biggan.width': 4, 'biggan.discriminator_width': 4},
    **{'biggan.shared_embedding': 4, 'biggan.attention': 16, 'loss.name': 'hinge'},
  },
  'stylegan2': {
    **{'dataset.resolution': 8, 'stylegan2.channel_base': 64, 'stylegan2.channel_max': 8},
    **{'stylegan2.w_size': 8, 'stylegan2.mapping_layers': 2, 'stylegan2.deviation_group': 2},
    **{'regularisers': ('r1', 'path_length'), 'r1.interval': 2, 'path_length.interval': 2},
  },
  'fastgan': {
    **{'dataset.resolution': 32, 'fastgan.width': 2, 'loss.name': 'soft_hinge'},
    'regularisers': ('reconstruction',),
  },
  'gat': {
    **{'dataset.resolution': 8, 'gat.depth': 4, 'gat.width': 16, 'gat.heads': 2},
    **{'gat.label_size': 8, 'gat.scale_wise': True, 'loss.name': 'relativistic'},
    'augment.names': ('diffaugment', 'level_noise'),
    'regularisers': ('approximate_r1', 'approximate_r2', 'level_consistency'),
  },
  'projected': {
    **{'dataset.resolution': 32, 'model.name': 'dcgan', 'model.discriminator': 'projected'},
    **{'dcgan.width': 4, 'projected.side': 64, 'projected.separable': True, 'loss.name': 'hinge'},
    **{'projected.heads': 2, 'augment.names': ('diffaugment',)},
  },
}
METRICS = {
  'stylegan2': ('r1', 'path_length'),
  'fastgan': ('reconstruction',),
  'gat': ('approximate_r1', 'approximate_r2', 'level_consistency'),
}


@pytest.fixture(scope='module', params=SMALL)
def case(request):
  """A recipe without devices, and states and metrics of two steps."""
  config = default.get_config()
  latent = 8
  config.update_from_flattened_dict(
    {'model.name': request.param, 'model.conditional': True, 'model.latent_size': latent}
  )
  config.train.batch_size = 8
  config.train.share_batch = request.param != 'stylegan2'
  config.update_from_flattened_dict(SMALL[request.param])
  parts = build.networks(config, 3, 3)
  recipe = build.recipe(config, parts)
  alone = {
    'generator': parts.generator.clone(axis_name=None),
    'discriminator': parts.discriminator.clone(axis_name=None),
  }
  recipe = dataclasses.replace(recipe, axis_name=None, batch_size=BATCH, **alone)
  step = jax.jit(make_train_step(recipe))
  rng = np.random.default_rng(0)
  size = recipe.examples_per_step
  shape = (size, *recipe.generator.resolution, 3)
  batch = {
    'image': rng.integers(0, 256, shape, dtype=np.uint8),
    'label': rng.integers(0, 3, size, dtype=np.int32),
  }
  states = [initializer(recipe)(jax.random.key(0))]
  metrics = []
  for _ in range(2):
    state, found = step(states[-1], batch)
    states.append(state)
    metrics.append({name: float(value) for name, value in found.items()})
  return request.param, recipe, states, metrics


def moved(before, after):
  """Names of leaves that are not what they were."""
  pairs = [traverse_util.flatten_dict(tree, sep='/') for tree in (before, after)]
  return {
    name
    for name in pairs[0]
    if any(
      not np.array_equal(a, b)
      for a, b in zip(*(jax.tree.leaves(pair[name]) for pair in pairs), strict=True)
    )
  }


@pytest.mark.slow
def test_steps_are_finite_and_move_every_weight_that_learns(case):
  name, _, states, metrics = case
  assert all(each[f'{player}_finite'] == 1 for each in metrics for player in 'dg')
  for regulariser in METRICS.get(name, ()):
    values = [each[regulariser] for each in metrics if regulariser in each]
    assert any(np.isfinite(value) and value > 0 for value in values), regulariser
  for player in ('generator', 'discriminator'):
    before, after = (getattr(state, player).params for state in (states[0], states[-1]))
    still = set(traverse_util.flatten_dict(before, sep='/')) - moved(before, after)
    # What classes of no image look up, and a bias that a normalisation takes off again, may stay.
    assert not [each for each in still if each.endswith(('kernel', 'constant', 'strength'))], still


@pytest.mark.slow
def test_what_is_fixed_stays_and_what_follows_moves(case):
  name, _, states, _ = case
  before, after = states[0].discriminator.mutable, states[-1].discriminator.mutable
  assert ('fixed' in before) == (name == 'projected')
  if name == 'projected':
    jax.tree.map(np.testing.assert_array_equal, before['fixed'], after['fixed'])
  generators = [state.generator.mutable for state in (states[0], states[-1])]
  followed = {'gat': 'averages', 'stylegan2': 'averages'}.get(name, 'batch_stats')
  assert moved(generators[0][followed], generators[1][followed])
  assert moved(states[0].ema['params'], states[-1].ema['params'])


@pytest.mark.slow
def test_its_images_can_be_drawn_whole_and_drawn_in(case):
  _, recipe, states, _ = case
  sampler = Sampler(recipe.generator, 8, np.dtype('uint8'))
  variables = jax.tree.map(np.asarray, states[-1].ema)
  labels = np.arange(8) % 3
  draw = lambda share: np.concatenate(list(sampler.draw(variables, labels, 0, share)))
  whole, none = draw(1.0), draw(0.0)
  assert whole.shape == (8, *recipe.generator.resolution, 3)
  assert len(np.unique(whole.reshape(8, -1), axis=0)) == 8
  # Of the mean, images of a class differ by their noise alone.
  spread = lambda images: np.abs(images[0].astype(float) - images[3]).mean()
  assert spread(none) <= spread(whole)
  pairs = next(iter(sampler.draw_pairs(variables, labels, 0, 1e-4)))
  assert jnp.abs(pairs[0] - pairs[1]).mean() < 1
