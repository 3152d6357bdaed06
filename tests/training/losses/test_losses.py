import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from gan_jax.training.losses import nonsaturating, relativistic

REAL = np.array([2.0, -1.0, 0.5, 30.0])
FAKE = np.array([-0.5, 1.5, 0.5, -30.0])


def test_nonsaturating_is_the_cross_entropy_of_the_logits():
  real, fake = REAL[:3], FAKE[:3]  # beyond, log(1 - sigmoid) leaves float64
  expected = -np.log(expit(real)) - np.log(1 - expit(fake))
  np.testing.assert_allclose(nonsaturating.d_loss(real, fake), expected, rtol=1e-5)
  np.testing.assert_allclose(nonsaturating.g_loss(real, fake), -np.log(expit(fake)), rtol=1e-5)


def test_relativistic_is_the_cross_entropy_of_the_difference():
  real, fake = REAL[:3], FAKE[:3]
  np.testing.assert_allclose(
    relativistic.d_loss(real, fake), -np.log(expit(real - fake)), rtol=1e-5
  )
  np.testing.assert_allclose(
    relativistic.g_loss(real, fake), -np.log(expit(fake - real)), rtol=1e-5
  )


def test_relativistic_sees_only_differences():
  for loss in (relativistic.d_loss, relativistic.g_loss):
    np.testing.assert_allclose(loss(REAL + 3, FAKE + 3), loss(REAL, FAKE), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('loss', [nonsaturating, relativistic])
def test_losses_are_per_example_and_finite_at_extreme_logits(loss):
  for function in (loss.d_loss, loss.g_loss):
    value = function(jnp.asarray(REAL), jnp.asarray(FAKE))
    assert value.shape == (4,)
    gradient = jax.grad(lambda f, function=function: function(jnp.asarray(REAL), f).sum())(
      jnp.asarray([-1e4, 1e4, 0.0, 1.0])
    )
    assert np.isfinite(gradient).all()
