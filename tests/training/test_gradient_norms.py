import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.training import gradient_norms


def norms(score, x, slopes=None):
  """Penalties of a score of images alone."""
  logits, pull_back = jax.vjp(lambda _, x: score(x), (), x)
  return gradient_norms.zero_centred(
    pull_back, jnp.ones_like(logits) if slopes is None else slopes
  )[1]


def test_a_linear_score_has_the_squared_norm_of_its_weights(key):
  a = jax.random.normal(key, (4, 4, 2))
  x = jax.random.normal(jax.random.key(1), (3, 4, 4, 2))
  penalty = norms(lambda x: jnp.sum(x * a, axis=(1, 2, 3)) + 5.0, x)
  np.testing.assert_allclose(penalty, jnp.full(3, jnp.sum(a**2)), rtol=1e-6)


def test_a_quadratic_score_has_four_times_the_squared_image(key):
  x = jax.random.normal(key, (3, 4, 4, 1))
  penalty = norms(lambda x: jnp.sum(x**2, axis=(1, 2, 3)), x)
  np.testing.assert_allclose(penalty, 4 * jnp.sum(x**2, axis=(1, 2, 3)), rtol=1e-5)


def test_its_gradient_reaches_the_weights():
  x = jnp.ones((2, 2, 2, 1))
  total = lambda a: norms(lambda x: a * jnp.sum(x, axis=(1, 2, 3)), x).sum()
  # Two images, four pixels each: the penalty is 2 · 4a², its derivative 16a.
  np.testing.assert_allclose(jax.grad(total)(3.0), 48.0, rtol=1e-6)


@pytest.mark.parametrize('slopes', [[0.25, -3.0], [1e-12, 1e12], [0.0, 1.0], [0.0, -1e-30]])
def test_slopes_change_neither_norms_nor_their_gradient(slopes):
  x = jnp.ones((2, 2, 2, 1))

  def total(a, slopes):
    return norms(lambda x: a * jnp.sum(x, axis=(1, 2, 3)), x, slopes).sum()

  found = jax.value_and_grad(total)(3.0, jnp.array(slopes))
  np.testing.assert_allclose(found, (72.0, 48.0), rtol=1e-6)


def test_weights_get_the_gradient_of_the_weighted_sum(key):
  x, a = jax.random.normal(key, (2, 3, 4, 4, 1))
  score = lambda a, x: jnp.sum(jnp.abs(x) * a[0], axis=(1, 2, 3))
  slopes = jnp.array([0.5, 0.0, -2.0])
  by_weights, _ = gradient_norms.zero_centred(jax.vjp(score, a, x)[1], slopes)
  expected = jnp.einsum('b,bhwc->hwc', slopes, jnp.abs(x))
  np.testing.assert_allclose(by_weights[0], expected, rtol=1e-6, atol=1e-7)
  assert not by_weights[1:].any()
