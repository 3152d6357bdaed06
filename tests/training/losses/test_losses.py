import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from gan_jax import registry
from gan_jax.training.losses import (
  hinge,
  least_squares,
  nonsaturating,
  relativistic,
  relativistic_average,
  saturating,
  wasserstein,
)

ALL = {
  name: registry.find('training.losses', name, 'd_loss', '')
  for name in registry.names('training.losses', 'd_loss')
}

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


@pytest.mark.parametrize('loss', ALL.values(), ids=ALL)
def test_losses_are_per_example_and_finite_at_extreme_logits(loss):
  for function in (loss.d_loss, loss.g_loss):
    value = function(jnp.asarray(REAL), jnp.asarray(FAKE))
    assert value.shape == (4,)
    gradient = jax.grad(lambda f, function=function: function(jnp.asarray(REAL), f).sum())(
      jnp.asarray([-1e4, 1e4, 0.0, 1.0])
    )
    assert np.isfinite(gradient).all()


def test_the_others_are_their_formulas():
  real, fake = REAL[:3], FAKE[:3]
  same = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5)
  same(hinge.d_loss(real, fake), np.maximum(0, 1 - real) + np.maximum(0, 1 + fake))
  same(hinge.g_loss(real, fake), -fake)
  same(wasserstein.d_loss(real, fake), fake - real)
  same(wasserstein.g_loss(real, fake), -fake)
  same(least_squares.d_loss(real, fake), ((real - 1) ** 2 + fake**2) / 2)
  same(least_squares.g_loss(real, fake), (fake - 1) ** 2 / 2)
  same(saturating.d_loss(real, fake), nonsaturating.d_loss(real, fake))
  same(saturating.g_loss(real, fake), np.log(1 - expit(fake)))
  one = -np.log(expit(real - fake.mean())) - np.log(1 - expit(fake - real.mean()))
  same(relativistic_average.d_loss(real, fake), one)
  other = -np.log(expit(fake - real.mean())) - np.log(1 - expit(real - fake.mean()))
  same(relativistic_average.g_loss(real, fake), other)


@pytest.mark.parametrize('name', ALL)
def test_each_player_gains_by_what_it_is_for(name):
  """D raises reals and lowers fakes, G raises fakes: by the slopes where no loss is flat."""
  real, fake = jnp.array([[0.3, -0.2], [0.1, 0.4]]), jnp.array([[0.2, 0.1], [0.3, 0.5]])
  total = lambda loss: lambda r, f: loss(r, f).sum()
  of_real, of_fake = jax.grad(total(ALL[name].d_loss), (0, 1))(real, fake)
  assert (of_real < 0).all()
  assert (of_fake > 0).all()
  assert (jax.grad(total(ALL[name].g_loss), 1)(real, fake) < 0).all()
  assert ALL[name].d_loss(real, fake).shape == (2, 2)


def test_the_average_of_all_devices_gives_the_loss_of_the_whole():
  rng = np.random.default_rng(0)
  real, fake = rng.standard_normal((2, 16, 3)).astype(np.float32)
  mean = lambda x: jax.lax.pmean(jnp.mean(x, axis=0), 'd')
  for loss in (relativistic_average.d_loss, relativistic_average.g_loss):
    run = jax.vmap(lambda r, f, loss=loss: loss(r, f, mean), axis_name='d')
    parts = run(real.reshape(8, 2, 3), fake.reshape(8, 2, 3))
    np.testing.assert_allclose(parts.reshape(16, 3), loss(real, fake), rtol=1e-5)
