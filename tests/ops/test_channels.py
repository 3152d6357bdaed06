"""Sums over pixels against NumPy, and their derivatives against those of the plain sum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gan_jax.ops import channels


def images(seed=0, shape=(4, 6, 5, 3)):
  return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize('shape', [(4, 6, 5, 3), (7, 2), (1, 1, 1, 4)])
def test_the_sum_is_numpys(shape):
  x = images(shape=shape)
  axes = tuple(range(len(shape) - 1))
  np.testing.assert_allclose(channels.channel_sum(x), np.sum(x, axes), rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(channels.channel_mean(x), np.mean(x, axes), rtol=1e-5, atol=1e-6)


def test_repeating_is_the_adjoint_of_summing():
  x, v = images(), images(1, (3,))
  there = jnp.vdot(channels.channel_sum(x), v)
  back = jnp.vdot(x, channels.over_pixels(v, x.shape))
  np.testing.assert_allclose(there, back, rtol=1e-5)


def test_first_and_second_derivatives():
  check_grads(lambda x: channels.channel_sum(x**3), (images(),), order=2, modes=['rev'])
  repeat = lambda v: channels.over_pixels(v**3, (4, 6, 5, 3))
  check_grads(repeat, (images(1, (3,)),), order=2, modes=['rev'])


def test_bfloat16_is_summed_in_float32():
  x = jnp.full((4, 64, 64, 2), 1.0, jnp.bfloat16)  # 16,384 ones: bfloat16 itself stops at 256
  total = channels.channel_sum(x)
  assert total.dtype == jnp.bfloat16
  np.testing.assert_array_equal(total.astype(jnp.float32), [16384.0, 16384.0])


def test_under_vmap():
  x = images(shape=(2, 4, 6, 5, 3))
  np.testing.assert_allclose(
    jax.vmap(channels.channel_sum)(x), x.sum((1, 2, 3)), rtol=1e-5, atol=1e-5
  )
