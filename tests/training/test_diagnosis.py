"""The diagnosis of a scene whose answers are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from gan_jax.models import dcgan
from gan_jax.runtime import parallel
from gan_jax.training import diagnosis, recipe, state
from gan_jax.training.losses import nonsaturating

BATCH = 16


class Mean(nn.Module):
  """D(x) = the mean of x."""

  num_classes: int = 0

  def for_parts(self, parts):
    del parts
    return self

  @nn.compact
  def __call__(self, images, labels, train):
    return self.param('a', nn.initializers.ones, ()) * images.mean(axis=(1, 2, 3))


class Constant(nn.Module):
  """G(z) = one value, and a little of z times a weight."""

  value: float = -0.5
  spread: float = 0.0
  latent_size: int = 4

  @nn.compact
  def __call__(self, latents, labels, train):
    scale = self.param('s', nn.initializers.ones, ())
    return (self.value + self.spread * scale * latents[:, :1, None, None]) * jnp.ones((1, 8, 8, 1))


def make(generator, discriminator=Mean(), axis_name=None):  # noqa: B008 - never changed
  tx = optax.sgd(0.1)
  half_life = lambda shown: jnp.asarray(1.0)
  return recipe.Recipe(
    generator, discriminator, tx, tx, nonsaturating, BATCH, half_life, axis_name=axis_name
  )


def batch(value, count=BATCH, seed=0):
  rng = np.random.default_rng(seed)
  image = np.clip(rng.normal(value, 20, (count, 8, 8, 1)), 0, 255).astype(np.uint8)
  return {'image': image, 'label': np.zeros(count, np.int32)}


def run(made, training, held_out):
  start = state.initializer(made)(jax.random.key(0))
  return jax.jit(diagnosis.make_diagnosis(made))(start, training, held_out)


def to_model(batch):
  return batch['image'] / 127.5 - 1.0


def test_logits_and_the_gap_of_a_linear_discriminator():
  training, held_out = batch(200), batch(120, seed=1)
  found = run(make(Constant()), training, held_out)
  train, holdout = to_model(training).mean(), to_model(held_out).mean()
  np.testing.assert_allclose(found['d_train_logit'], train, rtol=1e-4)
  np.testing.assert_allclose(found['d_holdout_logit'], holdout, rtol=1e-3)
  np.testing.assert_allclose(found['d_fake_logit'], -0.5, rtol=1e-5)
  np.testing.assert_allclose(found['d_overfit_gap'], (train - holdout) / (train + 0.5), rtol=1e-3)
  same = run(make(Constant()), training, training)
  assert abs(same['d_overfit_gap']) < 1e-6


def test_diversity_is_the_distance_of_fakes_over_that_of_reals():
  training = batch(128)
  assert run(make(Constant()), training, training)['fake_diversity'] < 1e-6
  found = run(make(Constant(spread=0.1)), batch(128, 1000), batch(128, 1000))
  # Two N(0, 0.1²) are √2 · 0.1 apart, two images of that noise √2 · 20 / 127.5 a pixel.
  np.testing.assert_allclose(found['fake_diversity'], 0.1 / (20 / 127.5), rtol=0.1)


def test_saturated_values_are_counted():
  training = batch(128)
  assert run(make(Constant(value=1.0)), training, training)['fake_saturated'] == 1
  assert run(make(Constant()), training, training)['fake_saturated'] == 0
  assert run(make(Constant(value=-0.9951)), training, training)['fake_saturated'] == 1
  assert run(make(Constant(value=0.995)), training, training)['fake_saturated'] == 0


@functools.cache
def networks(axis_name):
  shape = {'resolution': 16, 'channels': 1, 'num_classes': 3, 'axis_name': axis_name, 'width': 4}
  return dcgan.Generator(latent_size=4, **shape), dcgan.Discriminator(**shape)


def test_eight_devices_find_what_one_finds():
  rng = np.random.default_rng(0)
  draw = lambda: {
    'image': rng.integers(0, 256, (BATCH, 16, 16, 1), dtype=np.uint8),
    'label': rng.integers(0, 3, BATCH, dtype=np.int32),
  }
  training, held_out = draw(), draw()
  made = make(*networks(None))
  start = state.initializer(made)(jax.random.key(0))
  expected = jax.jit(diagnosis.make_diagnosis(made))(start, training, held_out)
  made = make(*networks(parallel.AXIS), axis_name=parallel.AXIS)
  mapped = parallel.pmap_read(diagnosis.make_diagnosis(made))
  found = mapped(parallel.replicate(start), parallel.shard(training), parallel.shard(held_out))
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], np.full(8, value), rtol=2e-3, atol=1e-4)
