"""Runs that grow out of a run of lower resolution."""

import json
import shutil

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from configs import smoke
from gan_jax import build
from gan_jax.build import growing
from gan_jax.errors import UserError
from gan_jax.ops import resample
from gan_jax.train import train
from gan_jax.workdir import checkpoint

QUIET = {'evaluate.images': 0, 'train.diagnose': False, 'train.batch_size': 16}
GROWN = {'dataset.resolution': 32, 'dcgan.width': 4, 'dcgan.grown_stages': 1}


def config(**changes):
  made = smoke.get_config()
  made.update_from_flattened_dict({**QUIET, **changes})
  return made


@pytest.fixture(scope='module')
def source(tmp_path_factory, user_folders):
  """A run of 16 pixels and three steps."""
  workdir = tmp_path_factory.mktemp('small') / 'run'
  train(config(**{'train.images': 48}), str(workdir))
  return workdir


def drawn(made, parts):
  """The state that a run begins with where it begins from nothing."""
  return build.initial_program(made, parts)(jax.random.key(made.seed))


def zeros(made, parts):
  """One of its shapes, for which nothing is compiled."""
  return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), build.shapes(made, parts))


def begun(source, first=drawn, **changes):
  """The config of a grown run, its networks, its state of step 0, and the record."""
  made = config(**{'init.workdir': str(source), 'seed': 5, **GROWN, **changes})
  build.check(made)
  datasets = build.datasets(made)
  parts = build.networks(made, datasets.train.shape[-1], datasets.train.num_classes)
  return parts, *build.start_from(made, first(made, parts), datasets.train)


def saved(workdir, step=None):
  return checkpoint.Checkpointer(str(workdir), read_only=True).read(step)[1]


def equal(a, b):
  pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  return all(np.array_equal(x, y) for x, y in pairs)


@pytest.mark.parametrize('weights', ['ema', 'live'])
def test_it_begins_as_the_smaller_run(source, weights):
  parts, state, told = begun(source, **{'init.weights': weights})
  small = build.open_run(str(source), None)
  old = saved(source)
  z = jax.random.normal(jax.random.key(1), (3, 8))
  labels = jnp.arange(3)
  images = lambda net, v: net.apply(v, z, labels, train=False)
  live = {'params': old['generator']['params'], **old['generator']['mutable']}
  for found, expected in (
    (state.ema, small.variables),
    (
      {'params': state.generator.params, **state.generator.mutable},
      small.variables if weights == 'ema' else live,
    ),
  ):
    np.testing.assert_allclose(
      images(parts.generator, found),
      resample.upsample(images(small.generator, expected)),
      atol=1e-5,
    )
  assert told['grown'] == {'from': [16, 16], 'to': [32, 32]}
  assert told['generator']['new']['params/image/kernel'] == 'zeros'
  assert told['discriminator']['new']['params/conv0/kernel'] == 'drawn'
  assert state.step == 0


def test_moments_are_carried_for_what_was_taken(source):
  _, state, told = begun(source)
  old = saved(source)['discriminator']
  player = state.discriminator
  assert player.opt_state.count == 1
  unravel = lambda params, vector: jax.flatten_util.ravel_pytree(params)[1](jnp.asarray(vector))
  before = unravel(old['params'], old['opt_state']['nu'])
  after = unravel(player.params, player.opt_state.nu)
  # Of three updates by β₂ = 0.999, in the place of one.
  scale = 0.001 / (1 - 0.999**3)
  np.testing.assert_allclose(after['conv2']['kernel'], before['conv1']['kernel'] * scale, rtol=1e-4)
  np.testing.assert_allclose(
    after['image1']['kernel'], before['conv0']['kernel'] * scale, rtol=1e-4
  )
  assert before['conv1']['kernel'].any()
  assert not after['conv0']['kernel'].any()
  leaves = [path for path in told['discriminator']['loaded'] if path.startswith('params/')]
  assert told['discriminator']['moments'] == len(leaves)


def test_of_networks_without_optimisers_no_moment_is_carried():
  other = growing.Other(config(), {}, [], None, {}, {}, {}, 0)
  fresh = object()
  assert growing._moments(config(), 'generator', fresh, {}, other, None, None) == (fresh, 0)


@pytest.mark.parametrize(
  ('changes', 'match'),
  [
    ({'dcgan.width': 8}, r'config\.dcgan\.width=8: growing from 16x16 to 32x32 takes 4 \('),
    ({'dcgan.grown_stages': 0}, r'config\.dcgan\.grown_stages=0: growing .* takes 1 '),
    ({'dataset.width': 64}, r'config\.dataset\.resolution: images of 64x32, and there of 16x16'),
    (
      {'model.name': 'r3gan', 'r3gan.widths': (16, 16, 16, 16)},
      r"config\.model\.name='r3gan', and there 'dcgan': growing takes the same one on both sides",
    ),
    (
      {'dcgan.discriminator_norm': 'spectral'},
      r"config\.dcgan\.discriminator_norm='spectral': .* growing takes 'batch' or 'none'",
    ),
    ({'model.latent_size': 9}, r'generator/params/conv2/kernel of shape .* there is .* here'),
    (
      {'dataset.resolution': 16, 'init.grow': True, 'dcgan.grown_stages': 0},
      r'images of 16x16, and there of 16x16; growing takes 2, 4, 8, … times as many pixels',
    ),
  ],
)
def test_what_is_not_sensible_is_refused_by_name(source, changes, match):
  with pytest.raises(UserError, match=match) as stopped:
    begun(source, zeros, **changes)
  assert str(stopped.value).startswith('config.init.workdir=')
  assert '\n' not in str(stopped.value)


def test_it_can_be_left_to_names_and_shapes(source):
  _, _, told = begun(source, **{'init.grow': False, 'init.least_share': 0.0, 'dcgan.width': 8})
  assert 'grown' not in told
  assert told['generator']['skipped']


def test_it_goes_on_to_the_same_bits_without_the_run_that_it_grew_from(source, tmp_path):
  copy = tmp_path / 'small'
  shutil.copytree(source, copy)
  length = lambda images: config(
    **{'init.workdir': str(copy), **GROWN, 'train.images': images, 'train.checkpoint_images': 32}
  )
  train(length(64), str(tmp_path / 'whole'))
  train(length(32), str(tmp_path / 'parts'))
  told = json.loads((tmp_path / 'parts' / 'run.json').read_text())['init']
  assert told['grown'] == {'from': [16, 16], 'to': [32, 32]}
  assert told['step'] == 3
  listed = json.loads((tmp_path / 'parts' / 'init.json').read_text())
  assert listed['generator']['loaded']
  shutil.rmtree(copy)
  train(length(64), str(tmp_path / 'parts'))
  assert equal(saved(tmp_path / 'parts'), saved(tmp_path / 'whole'))
  assert len(json.loads((tmp_path / 'parts' / 'run.json').read_text())['starts']) == 2
