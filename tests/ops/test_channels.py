"""Sums over pixels against NumPy, and their derivatives against those of the plain sum."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.ops import channels


def images(seed=0, shape=(4, 6, 5, 3)):
  return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize('parts', [1, 2, 3])
@pytest.mark.parametrize('shape', [(6, 7, 5, 3), (6, 2), (6, 1, 1, 4)])
def test_the_sum_in_both_forms_is_numpys(shape, parts):
  x = images(shape=shape)
  apart = np.asarray(x, np.float64).reshape(parts, -1, shape[-1])
  close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
  close(channels.channel_sum(x, parts), apart.sum(1))
  close(channels._plain_sum((parts, shape), x), apart.sum(1))
  close(channels._product_with_ones((parts, shape), x), apart.sum(1))
  close(channels.channel_mean(x, parts), apart.mean(1))


def test_parts_that_do_not_divide_the_batch_are_refused():
  with pytest.raises(ValueError, match='3 parts do not divide a batch of 4'):
    channels.channel_sum(images(), 3)
  with pytest.raises(ValueError, match='3 parts do not divide a batch of 4'):
    channels.over_pixels(jnp.ones((3, 3)), (4, 6, 5, 3))


@pytest.mark.parametrize('parts', [1, 2])
def test_repeating_is_the_adjoint_of_summing(parts):
  x, v = images(), images(1, (parts, 3))
  there = jnp.vdot(channels.channel_sum(x, parts), v)
  back = jnp.vdot(x, channels.over_pixels(v, x.shape))
  np.testing.assert_allclose(there, back, rtol=1e-5)


def derivatives(function, point, seed):
  """The function's gradient against drawn weights, and the gradient of that one's own."""
  weigh = lambda y, seed: jnp.vdot(y, jax.random.normal(jax.random.key(seed), y.shape))
  first = jax.grad(lambda x: weigh(function(x**3), seed))
  return first(point), jax.grad(lambda x: weigh(first(x), seed + 1))(point)


@pytest.mark.parametrize('parts', [1, 2])
def test_first_and_second_derivatives_are_those_of_the_plain_forms(parts):
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
  plain_sum = lambda x: x.reshape(parts, -1, 3).sum(1)
  both = [
    derivatives(f, images(), 2)
    for f in (functools.partial(channels.channel_sum, parts=parts), plain_sum)
  ]
  jax.tree.map(close, *both)
  plain_repeat = lambda v: (
    jnp.repeat(v, 4 // parts, axis=0)[:, None, None] + jnp.zeros((4, 6, 5, 3))
  )
  v = images(1, (parts, 3))
  both = [
    derivatives(f, v, 4) for f in (lambda v: channels.over_pixels(v, (4, 6, 5, 3)), plain_repeat)
  ]
  jax.tree.map(close, *both)


def test_bfloat16_is_summed_in_float32():
  x = jnp.full((4, 64, 64, 2), 1.0, jnp.bfloat16)  # 16,384 ones: bfloat16 itself stops at 256
  total = channels.channel_sum(x)
  assert total.dtype == jnp.bfloat16
  np.testing.assert_array_equal(total.astype(jnp.float32), [[16384.0, 16384.0]])


def test_under_vmap():
  x = images(shape=(2, 4, 6, 5, 3))
  np.testing.assert_allclose(
    jax.vmap(channels.channel_sum)(x)[:, 0], x.sum((1, 2, 3)), rtol=1e-5, atol=1e-5
  )
