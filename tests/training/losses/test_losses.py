"""Every loss against a closed form in float64, and the laws that all of them keep."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit

from gan_jax import registry

NAMES = registry.names('training.losses')
MODULES = {name: registry.find('training.losses', name, 'loss.name') for name in NAMES}
SHAPES = [(8,), (8, 3)]

softplus = lambda x: -log_expit(-x)
mean_of = lambda x: x.mean(axis=0, keepdims=True)
average = lambda r, f: softplus(mean_of(f) - r) + softplus(f - mean_of(r))
margins = 0.8 + 0.2 * (np.arange(2000) + 0.5) / 2000
soft = lambda x: np.maximum(0, margins - x[..., None]).mean(axis=-1)
CLOSED_FORMS = {
  'soft_hinge': (lambda r, f: soft(r) + soft(-f), lambda r, f: -f),
  'hinge': (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda r, f: -f),
  'least_squares': (
    lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * f**2,
    lambda r, f: 0.5 * (f - 1) ** 2,
  ),
  'nonsaturating': (lambda r, f: softplus(-r) + softplus(f), lambda r, f: softplus(-f)),
  'relativistic': (lambda r, f: softplus(f - r), lambda r, f: softplus(r - f)),
  'relativistic_average': (average, lambda r, f: average(f, r)),
  'saturating': (lambda r, f: softplus(-r) + softplus(f), lambda r, f: -softplus(f)),
  'wasserstein': (lambda r, f: f - r, lambda r, f: -f),
}
# With all logits equal to the first number: what the discriminator's loss is, and the generator's.
AT_EQUAL_LOGITS = {
  'hinge': (0.0, 2.0, 0.0),
  'soft_hinge': (0.0, 1.8, 0.0),
  'least_squares': (0.5, 0.25, 0.125),
  'nonsaturating': (0.0, 2 * np.log(2), np.log(2)),
  'relativistic': (5.0, np.log(2), np.log(2)),
  'relativistic_average': (5.0, 2 * np.log(2), 2 * np.log(2)),
  'saturating': (0.0, 2 * np.log(2), -np.log(2)),
  'wasserstein': (5.0, 0.0, -5.0),
}
# The logit that is best where reals have density p and fakes q.
BEST_LOGIT = {
  'hinge': lambda p, q: np.sign(p - q),
  'soft_hinge': lambda p, q: np.sign(p - q) * (1 - 0.2 * min(p, q) / max(p, q)),
  'least_squares': lambda p, q: p / (p + q),
  'nonsaturating': lambda p, q: np.log(p / q),
  'saturating': lambda p, q: np.log(p / q),
}
of_all = pytest.mark.parametrize('name', NAMES)


def logits(shape, seed=0, scale=3.0):
  rng = np.random.default_rng(seed)
  return scale * rng.standard_normal(shape), scale * rng.standard_normal(shape)


def as_float32(*arrays):
  return [jnp.asarray(x, jnp.float32) for x in arrays]


def test_every_loss_has_its_answers_here():
  assert set(NAMES) == set(CLOSED_FORMS) == set(AT_EQUAL_LOGITS)


@of_all
@pytest.mark.parametrize('shape', SHAPES)
def test_losses_are_their_closed_forms(name, shape):
  module, (real, fake) = MODULES[name], logits(shape)
  for function, closed_form in zip((module.d_loss, module.g_loss), CLOSED_FORMS[name], strict=True):
    found = function(*as_float32(real, fake))
    assert found.shape == shape
    np.testing.assert_allclose(found, closed_form(real, fake), rtol=1e-5, atol=1e-5)


@of_all
def test_heads_do_not_mix(name):
  real, fake = as_float32(*logits((8, 3)))
  for function in (MODULES[name].d_loss, MODULES[name].g_loss):
    alone = jnp.stack([function(real[:, i], fake[:, i]) for i in range(3)], axis=1)
    np.testing.assert_allclose(function(real, fake), alone, rtol=1e-6, atol=1e-6)


@of_all
def test_losses_are_what_is_known_of_equal_logits(name):
  logit, d_loss, g_loss = AT_EQUAL_LOGITS[name]
  same = jnp.full((4,), logit)
  np.testing.assert_allclose(MODULES[name].d_loss(same, same), np.full(4, d_loss), atol=1e-6)
  np.testing.assert_allclose(MODULES[name].g_loss(same, same), np.full(4, g_loss), atol=1e-6)


@pytest.mark.parametrize('name', BEST_LOGIT)
@pytest.mark.parametrize('real_share', [0.2, 0.7])
def test_the_best_discriminator_knows_the_densities(name, real_share):
  tried = jnp.linspace(-3, 3, 2401)
  zero = jnp.zeros_like(tried)
  d_loss = MODULES[name].d_loss
  expected = real_share * d_loss(tried, zero) + (1 - real_share) * d_loss(zero, tried)
  # What a logit of zero adds on the other side is the same for all that were tried, but its weight.
  expected -= real_share * d_loss(zero, zero) + (1 - real_share) * d_loss(zero, zero)
  best = BEST_LOGIT[name](real_share, 1 - real_share)
  np.testing.assert_allclose(tried[np.argmin(expected)], best, atol=1e-2)


@of_all
@pytest.mark.parametrize('shape', SHAPES)
def test_gradients_push_reals_up_and_fakes_down_and_the_generator_fakes_up(name, shape):
  """At logits between the targets of the least squares, beyond which it pulls them back."""
  rng = np.random.default_rng(1)
  real, fake = as_float32(rng.uniform(0.1, 0.9, shape), rng.uniform(0.1, 0.9, shape))
  total = lambda function: lambda r, f: function(r, f).sum()
  by_real, by_fake = jax.grad(total(MODULES[name].d_loss), argnums=(0, 1))(real, fake)
  assert (by_real < 0).all()
  assert (by_fake > 0).all()
  assert (jax.grad(total(MODULES[name].g_loss), argnums=1)(real, fake) < 0).all()


@of_all
def test_losses_and_gradients_are_finite_at_extreme_logits(name):
  real, fake = as_float32([1e4, -1e4, 0.0, 30.0], [-1e4, 1e4, 0.0, 1e4])
  for function in (MODULES[name].d_loss, MODULES[name].g_loss):
    assert np.isfinite(function(real, fake)).all()
    slopes = jax.grad(lambda r, f, loss=function: loss(r, f).sum(), argnums=(0, 1))(real, fake)
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize('name', ['relativistic', 'relativistic_average'])
def test_relativistic_losses_see_only_differences(name):
  real, fake = as_float32(*logits((8, 3)))
  for function in (MODULES[name].d_loss, MODULES[name].g_loss):
    np.testing.assert_allclose(function(real + 3, fake + 3), function(real, fake), atol=1e-5)


@of_all
def test_a_module_says_what_of_the_batch_it_looks_at(name):
  module, (real, fake) = MODULES[name], as_float32(*logits((8,), scale=1.0))
  whole, pairs = getattr(module, 'WHOLE_BATCH', False), getattr(module, 'PAIRS', False)
  for function in (module.d_loss, module.g_loss):
    assert ('mean' in inspect.signature(function).parameters) == whole
    slopes = np.stack(jax.jacobian(function, argnums=(0, 1))(real, fake))
    of_others = slopes[:, ~np.eye(8, dtype=bool)]
    assert of_others.any() == whole
    moved = function(real, jnp.roll(fake, 1)).mean()
    assert np.isclose(moved, function(real, fake).mean(), atol=1e-5) != pairs


@pytest.mark.parametrize('name', [n for n in NAMES if getattr(MODULES[n], 'WHOLE_BATCH', False)])
@pytest.mark.parametrize('shape', [(16,), (16, 3)])
def test_eight_devices_see_the_batch_of_one(name, shape):
  """Values, and the averaged gradient by a weight, where `mean` averages over all devices."""
  real, fake = as_float32(*logits(shape))
  over_all = lambda x: jax.lax.pmean(jnp.mean(x, axis=0), 'devices')
  slope = functools.partial(jax.grad, has_aux=True)
  parts = [x.reshape(8, 2, *shape[1:]) for x in (real, fake)]
  for function in (MODULES[name].d_loss, MODULES[name].g_loss):

    def score(weight, real, fake, function=function, **options):
      values = function(weight * real, weight * fake, **options)
      return values.mean(), values

    expected_slope, expected = slope(score)(0.7, real, fake)
    sharded = lambda r, f, s=score: slope(functools.partial(s, mean=over_all))(0.7, r, f)
    slopes, values = jax.vmap(sharded, axis_name='devices')(*parts)
    np.testing.assert_allclose(values.reshape(shape), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes.mean(), expected_slope, rtol=1e-4, atol=1e-6)
