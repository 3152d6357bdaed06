"""Every loss with every regulariser behind every augmentation takes real steps of a real model.

One program an augmentation holds all losses and all regularisers; which of them count is data: the
loss by its number, a regulariser by its weight.
"""

import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import registry
from gan_jax.models import dcgan
from gan_jax.training import optim, recipe, state
from gan_jax.training.augment import ada, diffaugment
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.step import make_train_step

BATCH = 2
find = lambda room, having: {name: registry.find(room, name, '') for name in registry.names(room)}
LOSSES = find('training.losses', 'd_loss')
REGULARISERS = find('training.regularisers', 'Settings')
# Of architectures of their own: `test_architectures`.
for name in ('reconstruction', 'level_consistency'):
  REGULARISERS.pop(name)
# What a case does to images, and the regularisers in it. ADA's resampling is long to compile, once
# for each of the dozen looks that all regularisers take together: two stand for the others there.
COLOURS = ada.Settings(**dict.fromkeys(ada.GEOMETRY, 0.0), noise=1.0, cutout=1.0)
CASES = {
  'none': ((), REGULARISERS),
  'diffaugment': (((diffaugment, diffaugment.Settings()),), REGULARISERS),
  'ada': (((ada, COLOURS),), REGULARISERS),
  'ada with geometry': (((ada, ada.Settings()),), ('r1', 'balanced_consistency')),
}


class AnyLoss:
  """The loss of a number that is known when the program runs."""

  WHOLE_BATCH = True

  def __init__(self, number):
    self._number = number

  def d_loss(self, real_logits, fake_logits, mean=jnp.mean):
    return self._of('d_loss', mean, real_logits, fake_logits)

  def g_loss(self, real_logits, fake_logits, mean=jnp.mean):
    return self._of('g_loss', mean, real_logits, fake_logits)

  def _of(self, name, mean, *logits):
    branches = []
    for module in LOSSES.values():
      loss = getattr(module, name)
      whole = getattr(module, 'WHOLE_BATCH', False)
      branches.append(functools.partial(loss, mean=mean) if whole else loss)
    return jax.lax.switch(self._number, branches, *logits)


@functools.cache
def networks():
  shape = {'resolution': 16, 'channels': 3, 'num_classes': 3, 'width': 4}
  tx = optim.adam(optim.Adam(optim.cosine(1e-3, None, 0), 0.0, optim.cosine(0.99, None, 0)))
  discriminator = dcgan.Discriminator(
    discriminator_norm='spectral', discriminator_condition='classifier', **shape
  )
  return dcgan.Generator(latent_size=4, **shape), discriminator, tx, tx


def make(case, number=0, weights=None):
  operations, names = CASES[case]
  weights = jnp.zeros(len(names)) if weights is None else weights
  used = tuple(
    recipe.Regulariser(name, REGULARISERS[name], REGULARISERS[name].Settings(), lambda _, w=w: w)
    for name, w in zip(names, weights, strict=True)
  )
  return recipe.Recipe(
    *networks(),
    AnyLoss(number),
    BATCH,
    ema_half_life=lambda shown: jnp.asarray(100.0),
    regularisers=used,
    augmentation=Augmentation(operations, strength=lambda shown: jnp.asarray(0.8)),
  )


def batch():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (BATCH, 16, 16, 3), dtype=np.uint8)
  return {'image': image, 'label': rng.integers(0, 3, BATCH, dtype=np.int32)}


def digest(player):
  """A number that changes with any weight."""
  weights = np.asarray(jax.flatten_util.ravel_pytree(player.params)[0], np.float64)
  return weights @ np.random.default_rng(0).standard_normal(len(weights))


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
def test_every_loss_and_every_regulariser_take_steps(case):
  names = CASES[case][1]

  @jax.jit
  def step(start, number, weights):
    return make_train_step(make(case, number, weights))(start, batch())

  start = state.initializer(make(case))(jax.random.key(0))
  places = {each: i for i, each in enumerate(names)}
  ends = {}
  for number, loss in enumerate(LOSSES):
    # A scale of the gradient, and not a term, is always on: with none nothing arrives.
    always = jnp.array([float(each == 'gradient_normalisation') for each in names])
    for regulariser, place in {'none': None, **places}.items():
      weights = always
      if place is not None:
        weights = always.at[place].set(REGULARISERS[regulariser].Settings().weight)
      end, metrics = step(start, number, weights)
      assert metrics['d_finite'] == 1, (loss, regulariser)
      assert metrics['g_finite'] == 1, (loss, regulariser)
      ends[loss, regulariser] = tuple(map(digest, (end.discriminator, end.generator)))
  # Each loss and each regulariser does something of its own; but for the hinge losses, which have
  # the slopes of the Wasserstein loss while no logit has reached their margins.
  assert len(set(ends.values())) >= (len(LOSSES) - 2) * len(names)
