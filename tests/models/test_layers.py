"""Layers against Flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models import dcgan, fastgan, layers


def images(seed=0):
  return 3.0 + 2.0 * jax.random.normal(jax.random.key(seed), (8, 5, 4, 3))


@pytest.mark.parametrize('affine', [True, False])
def test_batch_norm_is_flax_batch_norm(affine):
  """In training, in the averages it leaves, in its gradient, and outside training."""
  ours = layers.BatchNorm(affine=affine)
  theirs = nn.BatchNorm(momentum=0.9, epsilon=1e-5, use_scale=affine, use_bias=affine)
  variables = ours.init(jax.random.key(0), images(), train=False)
  if affine:
    variables['params'] = {'scale': jnp.array([0.5, 1, 2]), 'bias': jnp.array([1.0, 0, -1])}

  def run(apply):
    def loss(x):
      y, updated = apply(x)
      return jnp.sum(y**3), (y, updated)

    return jax.value_and_grad(loss, has_aux=True)(images())

  (_, (y, left)), gradient = run(
    lambda x: ours.apply(variables, x, train=True, mutable=['batch_stats'])
  )
  (_, (y_flax, left_flax)), gradient_flax = run(
    lambda x: theirs.apply(variables, x, use_running_average=False, mutable=['batch_stats'])
  )
  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
  close(y, y_flax)
  jax.tree.map(close, left, left_flax)
  close(gradient, gradient_flax)
  variables = {**variables, **left}
  close(
    ours.apply(variables, images(1), train=False),
    theirs.apply(variables, images(1), use_running_average=True),
  )


def test_batch_norm_takes_its_statistics_over_all_devices():
  norm = layers.BatchNorm(axis_name='batch')
  whole = layers.BatchNorm()
  variables = norm.init(jax.random.key(0), images(), train=False)
  run = lambda norm, x: norm.apply(variables, x, train=True, mutable=['batch_stats'])
  halves = images().reshape(2, 4, 5, 4, 3)
  split, left = jax.vmap(lambda x: run(norm, x), axis_name='batch')(halves)
  together, left_whole = run(whole, images())
  np.testing.assert_allclose(split.reshape(together.shape), together, rtol=1e-4, atol=1e-4)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-5), left, left_whole)


def test_without_averages_every_pass_normalises_by_its_batch():
  own, plain = layers.BatchNorm(), layers.BatchNorm(track=False)
  variables = own.init(jax.random.key(0), images(), train=False)
  expected, _ = own.apply(variables, images(1), train=True, mutable=['batch_stats'])
  weights = plain.init(jax.random.key(0), images(), train=False)
  assert set(weights) == {'params'}
  for train in (True, False):
    found, left = plain.apply(weights, images(1), train=train, mutable=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert set(left) == {'params'}


def test_parts_of_a_batch_are_normalised_as_by_calls_one_after_the_other():
  """Results, gradients and the averages that are left."""
  joined, alone = layers.BatchNorm(parts=2), layers.BatchNorm()
  variables = alone.init(jax.random.key(0), images(), train=False)
  variables['params'] = {'scale': jnp.array([0.5, 1, 2]), 'bias': jnp.array([1.0, 0, -1])}
  parts = [images(1), 5.0 - images(2)]

  def run(norm, stats, x):
    return norm.apply({**variables, **stats}, x, train=True, mutable=['batch_stats'])

  def together(x):
    y, left = run(joined, {}, x)
    return jnp.sum(y**3), (y, left)

  def apart(x):
    first, left = run(alone, {}, x[:8])
    second, left = run(alone, left, x[8:])
    y = jnp.concatenate([first, second])
    return jnp.sum(y**3), (y, left)

  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
  results = [
    jax.value_and_grad(run, has_aux=True)(jnp.concatenate(parts)) for run in (together, apart)
  ]
  jax.tree.map(close, *results)


@pytest.mark.parametrize('module', [dcgan, fastgan])
@pytest.mark.parametrize('player', ['Generator', 'Discriminator'])
def test_scales_of_dcgan_and_fastgan_begin_about_1_as_in_the_originals(module, player, key):
  """Both draw them of N(1, 0.02), where others begin at 1."""
  sizes = {'resolution': 32, 'channels': 3, 'width': 4}
  x = jnp.zeros((2, 32, 32, 3))
  if player == 'Generator':
    sizes, x = {**sizes, 'latent_size': 8}, jnp.zeros((2, 8))
  network, begun = getattr(module, player)(**sizes), []

  def note(run, args, kwargs, context):
    if isinstance(context.module, layers.BatchNorm) and context.method_name == '__call__':
      begun.append((context.module.name, context.module.scale_init))
    return run(*args, **kwargs)

  with nn.intercept_methods(note):
    jax.eval_shape(lambda: network.init(key, x, jnp.zeros(2, int), train=False))
  assert begun
  for name, init in begun:
    scale = init(key, (4000,))
    assert abs(scale.mean() - 1) < 0.002, name
    assert abs(scale.std() - 0.02) < 0.002, name


def test_a_bias_is_added_to_each_channel():
  bias = layers.Bias()
  y = bias.apply({'params': {'bias': jnp.array([1.0, 2.0, 3.0])}}, images())
  np.testing.assert_array_equal(y, images() + jnp.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize('size', [(6, 8), (1, 2)])
def test_enlarging_and_convolving_in_one_is_one_after_the_other(size, key):
  x = jax.random.normal(key, (2, *size, 3))
  whole = layers.ConvUp(5)
  variables = whole.init(key, x)
  after = layers.Conv(5, 3, padding=1).apply(variables, layers.enlarge(x))
  np.testing.assert_allclose(whole.apply(variables, x), after, rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(layers.enlarge(x), x.repeat(2, axis=1).repeat(2, axis=2))


def test_convolving_and_averaging_in_one_is_one_after_the_other(key):
  x = jax.random.normal(key, (2, 6, 8, 3))
  whole = layers.ConvDown(5)
  variables = whole.init(key, x)
  after = layers.halve(layers.Conv(5, 3, padding=1).apply(variables, x))
  np.testing.assert_allclose(whole.apply(variables, x), after, rtol=1e-4, atol=1e-5)
  four = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
  np.testing.assert_allclose(layers.halve(x), np.mean(four, axis=0), rtol=1e-5, atol=1e-6)
