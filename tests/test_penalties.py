import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import penalties


def test_a_linear_score_has_the_squared_norm_of_its_weights(key):
  a = jax.random.normal(key, (4, 4, 2))
  x = jax.random.normal(jax.random.key(1), (3, 4, 4, 2))
  score = lambda x: (jnp.sum(x * a, axis=(1, 2, 3)) + 5.0, 'aux')
  logits, penalty, aux = penalties.zero_centred(score, x)
  np.testing.assert_allclose(penalty, jnp.full(3, jnp.sum(a**2)), rtol=1e-6)
  np.testing.assert_allclose(logits, score(x)[0], rtol=1e-6)
  assert aux == 'aux'


def test_a_quadratic_score_has_four_times_the_squared_image(key):
  x = jax.random.normal(key, (3, 4, 4, 1))
  _, penalty, _ = penalties.zero_centred(lambda x: (jnp.sum(x**2, axis=(1, 2, 3)), None), x)
  np.testing.assert_allclose(penalty, 4 * jnp.sum(x**2, axis=(1, 2, 3)), rtol=1e-5)


def test_its_gradient_reaches_the_weights():
  x = jnp.ones((2, 2, 2, 1))

  def total(a):
    score = lambda x: (a * jnp.sum(x, axis=(1, 2, 3)), None)
    return penalties.zero_centred(score, x)[1].sum()

  # Two images, four pixels each: the penalty is 2 · 4a², its derivative 16a.
  np.testing.assert_allclose(jax.grad(total)(3.0), 48.0, rtol=1e-6)
