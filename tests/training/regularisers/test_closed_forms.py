"""Each regulariser where its answer is known: D(x) = aᵀx, D(x) = ½ xᵀAx, G(z) = Bz."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from gan_jax.training import draws, generator, recipe, state, view
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.judging import Examples, Judged, judge_both
from gan_jax.training.losses import nonsaturating
from gan_jax.training.regularisers import (
  approximate_r1,
  approximate_r2,
  auxiliary_classifier,
  balanced_consistency,
  consistency_regularisation,
  dragan,
  gradient_normalisation,
  gradient_penalty,
  latent_consistency,
  lecam,
  level_consistency,
  logit_centring,
  mode_seeking,
  orthogonal,
  path_length,
  r1,
  r2,
  reconstruction,
)

BATCH, SIDE = 6, 4
SIZE = SIDE * SIDE


class Linear(nn.Module):
  """D(x) = aᵀx, and class logits of its own."""

  num_classes: int = 0
  piecewise_linear = True

  def for_parts(self, parts):
    del parts
    return self

  @nn.compact
  def __call__(self, images, labels, train):
    x = images.reshape(len(images), -1)
    a = self.param('a', nn.initializers.normal(1.0), (SIZE,))
    classes = self.param('c', nn.initializers.normal(1.0), (SIZE, 3))
    return {'logits': x @ a, 'class_logits': x @ classes} if self.num_classes else x @ a


class Quadratic(Linear):
  """D(x) = ½ xᵀAx."""

  piecewise_linear = False

  @nn.compact
  def __call__(self, images, labels, train):
    x = images.reshape(len(images), -1)
    a = self.param('a', nn.initializers.normal(1.0), (SIZE, SIZE))
    return jnp.einsum('bi,ij,bj->b', x, a + a.T, x) / 4


class Matrix(nn.Module):
  """G(z) = Bz."""

  latent_size: int = 5
  resolution: tuple[int, int] = (SIDE, SIDE)
  channels: int = 1

  @nn.compact
  def __call__(self, latents, labels, train):
    return nn.Dense(SIZE, use_bias=False, name='b')(latents).reshape(-1, SIDE, SIDE, 1)


def regulariser(module, **settings):
  name = module.__name__.split('.')[-1]
  return recipe.Regulariser(name, module, module.Settings(**settings), lambda shown: 1.0)


def make(used, discriminator=Linear()):  # noqa: B008 - never changed
  tx = optax.sgd(1.0)
  return recipe.Recipe(
    Matrix(), discriminator, tx, tx, nonsaturating, BATCH, lambda shown: 0.0, regularisers=(used,)
  )


def scene(made, seed=0, batch=BATCH):
  """State, reals, fakes, moment."""
  start = state.initializer(made)(jax.random.key(seed))
  key = jax.random.key(seed + 1)
  places = jnp.arange(batch)
  labels = places % 3
  keys = draws.per_example(key, places)
  latents = draws.draw_latents(key, places, 5)
  reals = jax.random.normal(jax.random.key(7), (batch, SIDE, SIDE, 1))
  real = Examples(reals, labels, places, keys)
  fake = Examples((), labels, places, keys, latents)
  fake = fake._replace(images=generator.make(made, start.generator, fake).images)
  moment = view.Moment(start.step, jnp.zeros(()), key, jnp.zeros(()))
  return start, real, fake, moment


def d_term(module, discriminator=Linear(), states=None, **settings):  # noqa: B008
  """The value of a discriminator's term, with D's weights and the scene."""
  made = make(regulariser(module, **settings), discriminator)
  start, real, fake, moment = scene(made)

  def term(params):
    own = start.discriminator.replace(params=params)
    both = judge_both(made, made.regularisers, own, real, fake, moment.strength)
    seen = view.DiscriminatorView(
      made, own, start.generator, lambda: (both.real, both.fake), fake, moment
    )
    return view.terms_of(
      made.regularisers, 'discriminator', seen, start.regularisers if states is None else states
    )

  found = jax.jit(term)(start.discriminator.params)
  return found, start.discriminator.params, real, fake


def g_term(module, seed=0, batch=BATCH, **settings):
  made = make(regulariser(module, **settings))
  start, _, fake, moment = scene(made, seed, batch)
  judged = Judged(fake, jnp.zeros(batch), {})
  seen = view.GeneratorView(made, start.generator, judged, moment)
  found = jax.jit(lambda: view.terms_of(made.regularisers, 'generator', seen, start.regularisers))()
  return found, start, fake


def flat(images):
  return np.asarray(images).reshape(len(images), -1)


class Added:
  """An augmentation that adds one draw to an image, whatever the strength."""

  @staticmethod
  def augment(keys, images, strength, settings):
    del strength, settings
    return images + jax.vmap(jax.random.normal)(keys)[:, None, None, None]


def test_a_further_look_is_through_the_same_draws_or_through_fresh_ones_of_its_purpose():
  plain = make(regulariser(r1))
  made = dataclasses.replace(plain, augmentation=Augmentation(((Added, None),)))
  start, real, fake, moment = scene(plain)
  both = judge_both(made, (), start.discriminator, real, fake, moment.strength)
  seen = view.DiscriminatorView(
    made, start.discriminator, start.generator, lambda: (both.real, both.fake), fake, moment
  ).of('name', {})
  a = np.asarray(start.discriminator.params['a'])
  logits = flat(real.images) @ a
  of_draws = lambda **how: (seen.judge(real.images, both.real, **how) - logits) / a.sum()
  expected = (both.real.logits - logits) / a.sum()
  np.testing.assert_allclose(of_draws(), expected, atol=1e-4)
  one, other = of_draws(fresh='one'), of_draws(fresh='other')
  np.testing.assert_array_equal(of_draws(fresh='one'), one)
  for first, second in ((one, expected), (other, expected), (one, other)):
    assert np.abs(first - second).min() > 1e-3


@pytest.mark.parametrize('module', [r1, r2])
def test_gradients_at_the_images(module):
  found, params, *_ = d_term(module)
  np.testing.assert_allclose(found.value, np.sum(params['a'] ** 2) / 2, rtol=1e-5)
  found, params, real, fake = d_term(module, Quadratic())
  symmetric = (params['a'] + params['a'].T) / 2
  x = flat((real if module is r1 else fake).images)
  expected = np.sum((x @ symmetric) ** 2, axis=1) / 2
  np.testing.assert_allclose(found.value, expected.mean(), rtol=1e-4)
  found, *_ = d_term(module, Quadratic(), one_in=2)
  np.testing.assert_allclose(found.value, expected[::2].mean(), rtol=1e-4)


@pytest.mark.parametrize('one_in', [1, 2])
@pytest.mark.parametrize('module', [r1, r2])
def test_where_some_images_alone_are_penalised_no_gradient_is_taken_at_the_others(module, one_in):
  made = make(regulariser(module, one_in=one_in))
  start, real, fake, moment = scene(made)
  judged = lambda own: judge_both(made, made.regularisers, own, real, fake, moment.strength)
  both = jax.eval_shape(judged, start.discriminator)
  taken = [half for half in ('real', 'fake') if getattr(both, half).norms is not None]
  assert taken == ([{r1: 'real', r2: 'fake'}[module]] if one_in == 1 else [])


@pytest.mark.parametrize(('module', 'exact'), [(approximate_r1, r1), (approximate_r2, r2)])
def test_finite_differences_have_the_exact_penalty_as_their_mean(module, exact):
  """Over draws of n: E (aᵀn)² = ‖a‖², and the spread of the mean is √(2 / N) of it."""
  made = make(regulariser(module))
  start, real, fake, moment = scene(made)
  own = start.discriminator
  both = judge_both(made, (), own, real, fake, moment.strength)

  def term(key):
    seen = view.DiscriminatorView(
      made, own, start.generator, lambda: (both.real, both.fake), fake, moment._replace(key=key)
    )
    return view.terms_of(made.regularisers, 'discriminator', seen, {}).value

  values = jax.jit(jax.vmap(term))(jax.random.split(jax.random.key(3), 2000))
  expected = np.sum(own.params['a'] ** 2) / 2
  spread = np.sqrt(2 / (2000 * BATCH))
  np.testing.assert_allclose(np.mean(values), expected, rtol=4 * spread)
  np.testing.assert_allclose(expected, d_term(exact)[0].value, rtol=1e-5)


@pytest.mark.parametrize('module', [approximate_r1, r1, r2])
def test_a_part_of_the_batch_is_the_same_part_however_it_is_divided(module):
  found, *_ = d_term(module, one_in=3)
  assert np.isfinite(found.value)
  made = make(regulariser(module, one_in=3))
  start, real, fake, moment = scene(made)

  def on_one_device(real, fake):
    both = judge_both(made, (), start.discriminator, real, fake, moment.strength)
    seen = view.DiscriminatorView(
      made, start.discriminator, start.generator, lambda: (both.real, both.fake), fake, moment
    )
    return view.terms_of(made.regularisers, 'discriminator', seen, {}).value

  halves = [
    on_one_device(*jax.tree.map(lambda x, s=s: x[s], (real, fake)))
    for s in (slice(0, 3), slice(3, 6))
  ]
  np.testing.assert_allclose(np.mean(halves), found.value, rtol=1e-5)


@pytest.mark.parametrize('module', [gradient_penalty, dragan])
@pytest.mark.parametrize('one_sided', [False, True])
def test_norms_are_held_at_one(module, one_sided):
  found, params, *_ = d_term(module, one_sided=one_sided)
  excess = np.linalg.norm(params['a']) - 1
  expected = max(excess, 0) ** 2 if one_sided else excess**2
  np.testing.assert_allclose(found.value, expected, rtol=1e-4)


def test_the_gradient_penalty_looks_between_real_and_fake():
  found, params, real, fake = d_term(gradient_penalty, Quadratic())
  symmetric = (params['a'] + params['a'].T) / 2
  key = draws.named(draws.named(jax.random.key(1), 'gradient_penalty'), '')
  alpha = np.asarray(jax.vmap(jax.random.uniform)(draws.per_example(key, jnp.arange(BATCH))))[
    :, None
  ]
  x = alpha * flat(real.images) + (1 - alpha) * flat(fake.images)
  norms = np.linalg.norm(x @ symmetric, axis=1)
  np.testing.assert_allclose(found.value, np.mean((norms - 1) ** 2), rtol=1e-4)


def test_dragan_looks_near_the_reals():
  """With no spread at the reals themselves; with some, not."""
  found, params, real, _ = d_term(dragan, Quadratic(), spread=0.0)
  symmetric = (params['a'] + params['a'].T) / 2
  norms = np.linalg.norm(flat(real.images) @ symmetric, axis=1)
  np.testing.assert_allclose(found.value, np.mean((norms - 1) ** 2), rtol=1e-4)
  assert d_term(dragan, Quadratic(), spread=0.5)[0].value != found.value


def test_logit_centring():
  found, params, real, fake = d_term(logit_centring)
  logits = (flat(real.images) + flat(fake.images)) @ np.asarray(params['a'])
  np.testing.assert_allclose(found.value, np.mean(logits**2), rtol=1e-5)


def test_lecam_moves_its_averages_first_and_compares_with_them():
  states = {'lecam': lecam.State(jnp.float32(0.4), jnp.float32(-0.2), jnp.float32(0.5))}
  found, params, real, fake = d_term(lecam, states=states, decay=0.9)
  r, f = (flat(x.images) @ np.asarray(params['a']) for x in (real, fake))
  gathered = 0.9 * 0.5 + 0.1
  a_r, a_f = (0.9 * 0.4 + 0.1 * r.mean()) / gathered, (0.9 * -0.2 + 0.1 * f.mean()) / gathered
  expected = np.mean(np.maximum(r - a_f, 0) ** 2 + np.maximum(a_r - f, 0) ** 2)
  np.testing.assert_allclose(found.value, expected, rtol=1e-4)
  moved = found.states['lecam']
  np.testing.assert_allclose(moved.real / moved.gathered, a_r, rtol=1e-5)


def test_lecam_follows_the_batch_until_it_starts():
  found, params, real, _ = d_term(lecam, start_images=10.0)
  assert found.value == 0
  mean = (flat(real.images) @ np.asarray(params['a'])).mean()
  np.testing.assert_allclose(found.states['lecam'].real, mean, rtol=1e-5)


class Mean(Linear):
  """D(x) = mean of x: a change that only moves pixels inside does not matter."""

  @nn.compact
  def __call__(self, images, labels, train):
    return images.mean(axis=(1, 2, 3)) * self.param('a', nn.initializers.ones, ())


@pytest.mark.parametrize('module', [consistency_regularisation, balanced_consistency])
def test_consistency(module):
  """Mirroring alone does not change the mean of an image; a shift changes a linear score."""
  assert d_term(module, Mean(), shift=0.0)[0].value < 1e-12
  assert d_term(module, shift=0.0, flip=False)[0].value < 1e-10
  assert d_term(module, shift=0.25)[0].value > 1e-3


def test_balanced_consistency_without_fakes_is_consistency_of_reals():
  some = d_term(balanced_consistency, shift=0.25, fake_share=0.0)[0].value
  both = d_term(balanced_consistency, shift=0.25, fake_share=1.0)[0].value
  assert 0 < some < both


def test_latent_consistency_of_linear_networks():
  """D(G(z′)) − D(G(z)) = ρ aᵀBn; of the generator −ρ² ‖Bn‖² / pixels."""
  found, params, *_ = d_term(latent_consistency, radius=0.5)
  g_found, start, _ = g_term(latent_consistency, radius=0.5, generator_share=2.0)
  key = draws.named(draws.named(jax.random.key(1), 'latent_consistency'), 'near')
  keys = draws.per_example(key, jnp.arange(BATCH))
  noise = np.asarray(jax.vmap(lambda k: jax.random.normal(k, (5,)))(keys))
  b = np.asarray(start.generator.params['b']['kernel'])
  change = 0.5 * noise @ b
  expected = np.mean((change @ np.asarray(params['a'])) ** 2)
  np.testing.assert_allclose(found.value, expected, rtol=1e-3)
  np.testing.assert_allclose(g_found.value, -2 * np.mean(change**2), rtol=1e-3)
  assert 'generator_latent_consistency' in g_found.metrics


def test_mode_seeking_of_a_linear_generator():
  """With G(z) = Bz the inverse of mean |B(z − z′)| over mean |z − z′|, z′ a draw of its own."""
  found, start, fake = g_term(mode_seeking)
  key = draws.named(draws.named(jax.random.key(1), 'mode_seeking'), 'other')
  keys = draws.per_example(key, jnp.arange(BATCH))
  other = np.asarray(jax.vmap(lambda k: jax.random.normal(k, (5,)))(keys))
  change = np.asarray(fake.latents) - other
  images = change @ np.asarray(start.generator.params['b']['kernel'])
  expected = np.mean(np.abs(change).mean(1) / np.abs(images).mean(1))
  np.testing.assert_allclose(found.value, expected, rtol=1e-3)


def test_path_length_of_a_linear_generator():
  """G(z) = Bz: E ℓ² = tr(BBᵀ) / (HW); with an average of zero and no decay the term is E ℓ²."""
  found, start, _ = g_term(path_length, batch=4000, share=1.0, decay=0.0)
  b = np.asarray(start.generator.params['b']['kernel'])
  np.testing.assert_allclose(found.value, np.sum(b**2) / SIZE, rtol=0.05)
  found, *_ = g_term(path_length, batch=4000, share=0.5, decay=1.0)
  lengths_mean = found.states['path_length'].length
  # With the average of this very batch the term is the variance of ℓ, less than its mean square.
  assert 0 < found.value < np.sum(b**2) / SIZE - 0.5 * lengths_mean**2


def test_orthogonal_has_the_published_gradient():
  """∇ = 2λ(WWᵀ ∘ (1 − I))W with W as output channels × the rest."""
  made = make(regulariser(orthogonal))
  start, _, fake, moment = scene(made)
  judged = Judged(fake, jnp.zeros(BATCH), {})

  def term(params):
    player = start.generator.replace(params=params)
    seen = view.GeneratorView(made, player, judged, moment)
    return view.terms_of(made.regularisers, 'generator', seen, {}).value

  gradient = jax.jit(jax.grad(term))(start.generator.params)['b']['kernel']
  w = np.asarray(start.generator.params['b']['kernel'], np.float64).T
  gram = w @ w.T
  expected = 2 * (gram * (1 - np.eye(len(w)))) @ w
  np.testing.assert_allclose(gradient.T, expected, rtol=1e-4, atol=1e-4)


def test_the_auxiliary_classifier_is_the_cross_entropy_of_both_halves():
  found, params, real, fake = d_term(auxiliary_classifier, Linear(num_classes=3))
  expected = 0
  for seen in (real, fake):
    logits = flat(seen.images) @ np.asarray(params['c'], np.float64)
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    expected -= logits[np.arange(BATCH), np.asarray(seen.labels)].mean()
  np.testing.assert_allclose(found.value, expected, rtol=1e-4)


def test_gradient_normalisation_brings_any_gradient_to_one_length():
  settings = gradient_normalisation.Settings()
  moved = gradient_normalisation.initial_state(settings)
  for scale in (1e-3, 1e-3, 1e-3):
    g = scale * jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, 1))
    normal, moved = gradient_normalisation.image_gradient(g, moved, settings, lambda x: x)
    # n Σ g² = 1: the root mean square of the gradient of the mean is 1 / n.
    np.testing.assert_allclose(jnp.sum(normal**2) * normal.size, 1.0, rtol=1e-4)
  larger, _ = gradient_normalisation.image_gradient(10 * g, moved, settings, lambda x: x)
  assert 1 < jnp.sum(larger**2) * larger.size < 100


def test_gradient_normalisation_of_two_devices_is_that_of_one():
  settings = gradient_normalisation.Settings()
  g = jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, 1))
  start = gradient_normalisation.initial_state(settings)
  whole, moved = gradient_normalisation.image_gradient(g, start, settings, lambda x: x)
  # On each of two devices the mean is over half as many images.
  halves = (2 * g).reshape(2, BATCH // 2, SIDE, SIDE, 1)
  pmean = lambda x: jax.lax.pmean(x, 'd')
  run = lambda g: gradient_normalisation.image_gradient(g, start, settings, pmean)
  found, states = jax.vmap(run, axis_name='d', out_axes=(0, None))(halves)
  np.testing.assert_allclose(found.reshape(whole.shape) / 2, whole, rtol=1e-5)
  np.testing.assert_allclose(states.square, moved.square, rtol=1e-5)


class Levels(Linear):
  """D(x₁, x₂) = aᵀ(x₁ + x₂) of images at two levels, which reals are twice."""

  def present(self, images):
    return images, images

  @nn.compact
  def __call__(self, images, labels, train):
    levels = images if isinstance(images, tuple) else self.present(images)
    a = self.param('a', nn.initializers.normal(1.0), (SIZE,))
    return sum(x.reshape(len(x), -1) @ a for x in levels)


def test_a_real_image_at_several_levels_is_moved_as_one():
  """Then the finite difference is that of D by the image: its slope is 2a, not a twice over."""
  made = make(regulariser(approximate_r1), Levels())
  start, real, fake, moment = scene(made, batch=4000)
  real, fake = (each._replace(images=(each.images, each.images)) for each in (real, fake))

  @jax.jit
  def term(params):
    own = start.discriminator.replace(params=params)
    both = judge_both(made, made.regularisers, own, real, fake, moment.strength)
    seen = view.DiscriminatorView(
      made, own, start.generator, lambda: (both.real, both.fake), fake, moment
    )
    return approximate_r1.discriminator(seen, approximate_r1.Settings())

  params = start.discriminator.params
  expected = np.square(2 * np.asarray(params['a'])).sum() / 2
  np.testing.assert_allclose(term(params).mean(), expected, rtol=0.1)


def test_levels_are_compared_with_the_whole_image_which_is_held():
  levels = tuple(jax.random.normal(jax.random.key(k), (BATCH, SIDE, SIDE, 1)) for k in range(3))
  seen = lambda images: types.SimpleNamespace(fake=types.SimpleNamespace(images=images))
  term = lambda images: level_consistency.generator(seen(images), level_consistency.Settings())
  expected = sum(np.square(x - levels[2]).mean(axis=(1, 2, 3)) for x in levels[:2]) / 2
  np.testing.assert_allclose(term(levels), expected, rtol=1e-5)
  slopes = jax.grad(lambda images: term(images).sum())(levels)
  assert not slopes[2].any()
  np.testing.assert_allclose(slopes[0], (levels[0] - levels[2]) / SIZE, rtol=1e-4)
  assert not term(levels[2:]).any()


def test_the_reconstruction_is_what_the_discriminator_says_of_reals():
  outputs = {'reconstruction': jnp.arange(3.0)}
  seen = types.SimpleNamespace(real=types.SimpleNamespace(outputs=outputs))
  found = reconstruction.discriminator(seen, reconstruction.Settings())
  np.testing.assert_array_equal(found, [0, 1, 2])
