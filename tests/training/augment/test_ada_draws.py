"""Laws of the draws that ADA's operations take: each number's are its own, of the key alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.training.augment import ada, ada_colour, ada_draws, ada_filter, ada_geometry

MANY = 4_000


@pytest.fixture(scope='module')
def draws():
  keys = jax.random.split(jax.random.key(7), MANY)
  return jax.jit(jax.vmap(lambda key: ada_draws.draw(key, jnp.float32(0.5))))(keys)


def of(draws, function):
  return np.asarray(jax.vmap(function)(draws), np.float64)


@pytest.mark.parametrize(('ending', 'shape'), [('', ()), ('_pair', (2,))])
def test_uniform_and_normal_draws_are_of_their_laws(draws, ending, shape):
  uniform = of(draws, lambda d: getattr(d, f'uniform{ending}')(61))
  normal = of(draws, lambda d: getattr(d, f'normal{ending}')(15))
  assert uniform.shape == normal.shape == (MANY, *shape)
  for column in uniform.reshape(MANY, -1).T:
    assert scipy.stats.kstest(column, 'uniform', (-1, 2)).pvalue > 1e-3
  for column in normal.reshape(MANY, -1).T:
    assert scipy.stats.kstest(column, 'norm').pvalue > 1e-3


@pytest.mark.parametrize('count', [2, 4])
def test_integers_are_as_frequent_each(draws, count):
  found = of(draws, lambda d: d.integer(3, count))
  values, times = np.unique(found, return_counts=True)
  np.testing.assert_array_equal(values, np.arange(count))
  assert scipy.stats.chisquare(times).pvalue > 1e-3


def test_what_has_no_draws_of_its_own_is_refused():
  draws = ada_draws.draw(jax.random.key(0), jnp.float32(1.0))
  for number in (-1, 64):
    for take in (draws.uniform, draws.normal_pair, lambda n: draws.where_fired(n, 1.0, 1.0, 0.0)):
      with pytest.raises(IndexError, match=f'number={number}: accepted: 0 to 63'):
        take(number)
  with pytest.raises(ValueError, match='count=3: accepted: what divides 4'):
    draws.integer(3, 3)


def test_what_fires_does_so_as_often_as_told_and_for_itself(draws):
  fired = of(draws, lambda d: d.where_fired(0, 0.6, jnp.ones(()), 0))
  assert abs(fired.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / MANY)
  always = of(draws, lambda d: d.where_fired(0, 0.6, jnp.ones(()), 0, jnp.float32(2.0)))
  assert always.all()


def test_without_strength_nothing_fires_not_even_by_a_draw_of_zero():
  draws = ada_draws.draw(jax.random.key(0), jnp.float32(0.0))
  draws = draws._replace(uniforms=jnp.zeros_like(draws.uniforms))
  assert draws.where_fired(0, 1.0, jnp.ones(()), 0) == 0
  assert draws._replace(strength=1e-6).where_fired(0, 1.0, jnp.ones(()), 0) == 1


class Told:
  """The draws of an image, and by which numbers they were taken."""

  def __init__(self, draws):
    self.draws, self.numbers = draws, []

  def __getattr__(self, name):
    found = getattr(self.draws, name)
    if not callable(found):
      return found

    def take(number, *given):
      self.numbers.append(number)
      return found(number, *given)

    return take


def test_every_draw_of_every_operation_has_a_number_that_no_other_has_and_keeps_it():
  """Of one number two draws would be the same; of another one a run would go on otherwise."""
  settings = ada.Settings(imgfilter=1.0, noise=1.0, cutout=1.0)
  numbers = []

  def take(draws):
    told = Told(draws)
    ada_geometry.matrix(told, (8, 8), settings)
    ada_colour.matrix(told, False, settings)
    ada_filter.gains(told, settings)
    ada._noise(told, (8, 8, 3), settings)
    ada._cutout(told, (8, 8), settings)
    numbers.extend(told.numbers)

  jax.eval_shape(take, ada_draws.draw(jax.random.key(0), jnp.float32(1.0)))
  assert sorted(numbers) == [*range(16), *range(20, 30), *range(30, 38), 50, 51, 52, 60, 61]


def test_numbers_and_the_two_of_a_pair_are_independent(draws):
  columns = [
    *of(draws, lambda d: d.uniforms[:3]).reshape(MANY, -1).T,
    *of(draws, lambda d: d.normals[3:6]).reshape(MANY, -1).T,
    *of(draws, lambda d: d.integers[6:9]).T,
  ]
  correlations = np.corrcoef(columns)[~np.eye(len(columns), dtype=bool)]
  assert np.abs(correlations).max() < 4.5 / np.sqrt(MANY)


def test_a_number_s_draws_follow_from_the_key_and_the_number_alone():
  """So a run goes on with the pictures that it had, whichever operations are switched on."""
  key = jax.random.key(11)
  found = ada_draws.draw(key, jnp.float32(1.0))
  for number in (0, 9, 33, 61):
    own = jax.random.fold_in(key, number)
    np.testing.assert_array_equal(found.uniforms[number], jax.random.uniform(own, (2,)))
    np.testing.assert_array_equal(found.normals[number], jax.random.normal(own, (2,)))
    np.testing.assert_array_equal(found.integers[number], jax.random.randint(own, (), 0, 4))
    # One alone is the first of two, and of four integers two are every other one.
    np.testing.assert_array_equal(found.uniforms[number, 0], jax.random.uniform(own))
    np.testing.assert_array_equal(found.integer(number, 2), jax.random.randint(own, (), 0, 2))


def test_noise_is_of_the_shape_asked_for_and_of_the_number():
  draws = ada_draws.draw(jax.random.key(1), jnp.float32(1.0))
  a, b = (np.asarray(draws.noise(number, (40, 40, 3))).ravel() for number in (52, 53))
  assert scipy.stats.kstest(a, 'norm').pvalue > 1e-3
  assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)
