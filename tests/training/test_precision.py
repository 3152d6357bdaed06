"""Half the bytes, and the same mean."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.training import optim, precision


def test_float32_is_left_as_it_is():
  x = jax.random.normal(jax.random.key(0), (7,))
  assert precision.rounded(x, jax.random.key(1), 'float32') is x


def test_rounding_goes_to_either_neighbour_with_the_mean_that_was():
  x = jnp.array([1.0, 1.001, -3.3, 1e-30, 12345.678, 0.0])
  keys = jax.random.split(jax.random.key(0), 4000)
  drawn = jax.vmap(lambda key: precision.rounded(x, key, 'bfloat16'))(keys)
  assert drawn.dtype == jnp.bfloat16
  drawn = np.asarray(drawn, np.float64)
  step = np.abs(np.asarray(x)) * 2.0**-7
  assert (np.abs(drawn - np.asarray(x)) <= step).all()
  assert all(len(np.unique(column)) <= 2 for column in drawn.T)
  np.testing.assert_array_equal(drawn[:, [0, 5]], np.asarray(x)[[0, 5]] + np.zeros((4000, 2)))
  # The spread of a mean of draws between two neighbours is at most half a step over √n.
  np.testing.assert_array_less(
    np.abs(drawn.mean(axis=0) - np.asarray(x)), 4 * step / 2 / np.sqrt(4000) + 1e-45
  )


def test_what_is_not_finite_stays_so():
  x = jnp.array([jnp.inf, -jnp.inf, jnp.nan])
  found = np.asarray(precision.rounded(x, jax.random.key(0), 'bfloat16'), np.float32)
  np.testing.assert_array_equal(found, np.asarray(x))


def test_an_average_arrives_where_rounding_to_the_nearest_would_stay():
  average, nearest = jnp.ones((64,), jnp.bfloat16), jnp.ones((64,), jnp.bfloat16)
  new = jnp.full((64,), 1.5)

  def step(averages, key):
    moved = [
      optim.moving_average(precision.float32(each), new, jnp.float32(0.999)) for each in averages
    ]
    return (precision.rounded(moved[0], key, 'bfloat16'), moved[1].astype(jnp.bfloat16)), None

  keys = jax.random.split(jax.random.key(0), 2000)
  (average, nearest), _ = jax.jit(lambda s: jax.lax.scan(step, s, keys))((average, nearest))
  expected = 1.5 - 0.5 * 0.999**2000
  assert np.asarray(average, np.float32).mean() == pytest.approx(expected, abs=5e-3)
  assert (nearest == 1).all()


def test_moments_in_half_the_bytes_update_as_in_whole_ones():
  constant = lambda value: optim.cosine(value, None, 0)
  settings = optim.Adam(constant(1e-2), 0.9, constant(0.99))
  params = {'a': jnp.zeros((500,)), 'b': jnp.zeros(3)}
  whole, half = optim.adam(settings), optim.adam(settings._replace(moments='bfloat16'))
  states = [whole.init(params), half.init(params)]
  assert states[1].mu.dtype == states[1].nu.dtype == jnp.bfloat16
  moved = [params, params]
  update = [jax.jit(each.update) for each in (whole, half)]
  for number in range(100):
    key = jax.random.fold_in(jax.random.key(1), number)
    grads = jax.tree.map(lambda x, k=key: 1 + jax.random.normal(k, x.shape), params)
    for place in (0, 1):
      updates, states[place] = update[place](grads, states[place], moved[place])
      moved[place] = optax.apply_updates(moved[place], updates)
  assert states[1].mu.dtype == states[1].nu.dtype == jnp.bfloat16
  np.testing.assert_allclose(moved[1]['a'], moved[0]['a'], rtol=0.02)
  assert not np.array_equal(moved[1]['a'], moved[0]['a'])
  np.testing.assert_allclose(
    np.asarray(states[1].nu, np.float32).mean(), np.asarray(states[0].nu).mean(), rtol=5e-3
  )
