"""What a step gives to each player, by images that say what they are of; and what it keeps.

The networks are linear, so that a step compiles in a moment and its numbers are known.
"""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from gan_jax.runtime import parallel
from gan_jax.training import discriminator, draws, generator, optim, recipe, state
from gan_jax.training import step as module
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.player import descend
from gan_jax.training.regularisers import r1, r2

BATCH, SIDE, LATENT = 4, 2, 3


class Generator(nn.Module):
  """Images that are the label plus a product of the latents; counts its training passes."""

  resolution: tuple[int, int] = (SIDE, SIDE)
  channels: int = 1
  latent_size: int = LATENT
  num_classes: int = 3

  @nn.compact
  def __call__(self, latents, labels, train):
    weights = self.param('kernel', nn.initializers.normal(0.1), (LATENT, SIDE * SIDE))
    passes = self.variable('passes', 'count', jnp.zeros, ())
    if train and not self.is_initializing():
      passes.value += 1
    images = latents @ weights + labels[:, None]
    return images.reshape(-1, SIDE, SIDE, 1)


class Discriminator(nn.Module):
  """A weighted sum of the pixels; counts the examples that it judged in training."""

  num_classes: int = 3

  def for_parts(self, parts):
    del parts
    return self

  @nn.compact
  def __call__(self, images, labels, train):
    weights = self.param('kernel', nn.initializers.normal(0.1), (LATENT, SIDE * SIDE))
    judged = self.variable('judged', 'count', jnp.zeros, ())
    if train and not self.is_initializing():
      judged.value += len(images)
    return images.reshape(len(images), -1) @ weights[0]


class Wasserstein:
  @staticmethod
  def d_loss(real_logits, fake_logits):
    return fake_logits - real_logits

  @staticmethod
  def g_loss(real_logits, fake_logits):
    del real_logits
    return -fake_logits


class Pairs(Wasserstein):
  @staticmethod
  def g_loss(real_logits, fake_logits):
    return real_logits - fake_logits


constant = lambda value: optim.cosine(value, None, 0)
SGD = optax.sgd(0.1)


def make(loss=Wasserstein, tx=SGD, **options):
  options = {'ema_half_life': constant(100.0), **options}
  return recipe.Recipe(Generator(), Discriminator(), tx, tx, loss, BATCH, **options)


def start_of(made, seed=0):
  return state.initializer(made)(jax.random.key(seed))


def batch(count=BATCH):
  rng = np.random.default_rng(0)
  return {
    'image': rng.integers(0, 256, (count, SIDE, SIDE, 1), dtype=np.uint8),
    'label': rng.integers(0, 3, count, dtype=np.int32),
  }


def equal(a, b):
  return all(
    np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  )


# --- What each player is given


def given(monkeypatch, made, data):
  """What both updates are called with in a step, and its state."""
  calls = {'d': [], 'g': []}

  def of_d(*args):
    calls['d'].append(types.SimpleNamespace(player=args[1], real=args[4], fake=args[5]))
    return discriminator.update(*args)

  def of_g(*args):
    made = args[6]
    calls['g'].append(
      types.SimpleNamespace(opponent=args[2], real=args[4], fake=args[5], made=made)
    )
    return generator.update(*args)

  monkeypatch.setattr(module, 'discriminator', types.SimpleNamespace(update=of_d))
  fields = vars(generator)
  monkeypatch.setattr(module, 'generator', types.SimpleNamespace(**{**fields, 'update': of_g}))
  start = start_of(made)
  after, _ = module.make_train_step(made)(start, data)
  return start, calls, after


def keys_of(examples):
  return np.asarray(jax.random.key_data(examples.draws))


def images_of(data, rows):
  return data['image'][rows] / 127.5 - 1


@pytest.mark.parametrize('share', [True, False])
def test_players_share_reals_latents_and_labels_or_nothing_of_them(share, monkeypatch):
  made = make(share_batch=share)
  data = batch(BATCH if share else 2 * BATCH)
  start, calls, _ = given(monkeypatch, made, data)
  (d,), (g,) = calls['d'], calls['g']
  own = (
    {'d': slice(None), 'g': slice(None)}
    if share
    else {'d': slice(0, None, 2), 'g': slice(1, None, 2)}
  )
  for name, call in (('d', d), ('g', g)):
    np.testing.assert_allclose(call.real.images, images_of(data, own[name]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(call.real.labels, data['label'][own[name]])
    np.testing.assert_array_equal(call.fake.labels, data['label'][own[name]])
  rows = {tuple(row) for each in (d, g) for row in np.asarray(each.fake.latents).tolist()}
  assert len(rows) == (BATCH if share else 2 * BATCH)
  assert np.array_equal(d.fake.latents, g.fake.latents) == share
  assert (g.made is not None) == share  # of the same latents images are made once
  # What D judges is what G makes of these latents and labels, before its update.
  variables = {'params': start.generator.params, **start.generator.mutable}
  expected = made.generator.apply(variables, d.fake.latents, d.fake.labels, train=False)
  np.testing.assert_allclose(d.fake.images, expected, rtol=1e-5, atol=1e-6)
  # No two looks at images are augmented by the same draws.
  looks = [keys_of(each) for each in (d.real, d.fake, g.real, g.fake)]
  assert len({tuple(row) for look in looks for row in look.tolist()}) == 4 * BATCH


def test_labels_of_fakes_are_drawn_anew_for_each_player_and_step(monkeypatch):
  made = make(share_batch=False, fake_labels=(0.0, 0.5, 0.5))
  _, calls, _ = given(monkeypatch, made, batch(2 * BATCH))
  labels = np.concatenate([np.asarray(calls[name][0].fake.labels) for name in 'dg'])
  assert set(labels.tolist()) == {1, 2}
  assert not np.array_equal(labels[:BATCH], labels[BATCH:])


def test_the_generator_meets_the_updated_discriminator(monkeypatch):
  start, calls, after = given(monkeypatch, make(), batch())
  (g,) = calls['g']
  assert not equal(g.opponent.params, start.discriminator.params)
  assert equal(g.opponent.params, after.discriminator.params)


@pytest.mark.parametrize('penalties', [(), (r1,), (r2,), (r1, r2)])
@pytest.mark.parametrize(('loss', 'looks'), [(Wasserstein, 3), (Pairs, 4)])
def test_collections_hold_every_pass_of_a_step(loss, looks, penalties):
  """D judges reals and fakes for itself, fakes for G, and reals again where G's loss wants them.

  A penalty on one half makes two passes of what was one, and no image more.
  """
  parts = [
    recipe.Regulariser(part.__name__, part, part.Settings(), constant(1.0)) for part in penalties
  ]
  made = make(loss, regularisers=tuple(parts))
  step = jax.jit(module.make_train_step(made))
  after, _ = step(start_of(made), batch())
  assert after.discriminator.mutable['judged']['count'] == looks * BATCH
  assert after.generator.mutable['passes']['count'] == 1
  assert step(after, batch())[0].discriminator.mutable['judged']['count'] == 2 * looks * BATCH


def test_both_players_and_the_run_begin_by_keys_of_their_own():
  found = start_of(make())
  kernels = [
    np.asarray(player.params['kernel']) for player in (found.generator, found.discriminator)
  ]
  assert kernels[0].shape == kernels[1].shape
  assert not np.allclose(*kernels)
  used = jax.random.split(jax.random.key(0), 3)
  np.testing.assert_array_equal(found.rng, jax.random.key_data(used[2]))
  for other in (start_of(make(), 1),):
    assert not equal(found.generator.params, other.generator.params)
    assert not equal(found.discriminator.params, other.discriminator.params)
    assert not np.array_equal(found.rng, other.rng)


# --- Schedules, in images shown

SHOWN = 64


def falling(start=1.0):
  """From a value to zero over so many images."""
  return optim.cosine(start, 0.0, SHOWN)


def at(made, step, images):
  start = start_of(made)
  return start.replace(step=jnp.asarray(step), images=jnp.asarray(images))


class Ridge:
  """A regulariser of either player: the square of its weights."""

  __name__ = 'ridge'
  Settings = types.SimpleNamespace

  @staticmethod
  def discriminator(view, settings):
    del settings
    return jnp.square(view.params['kernel']).sum()[None]

  generator = discriminator


def adam_at(rate):
  return optim.adam(optim.Adam(rate, 0.0, constant(0.9)))


def test_an_optimiser_that_does_not_ask_for_images_shown_takes_its_steps():
  tx = optax.GradientTransformation(lambda params: (), lambda g, state, params: (-0.5 * g, state))
  before = state.Player(params=jnp.array([1.0, -2.0]), mutable={}, opt_state=())
  after, _ = descend(before, jnp.array([2.0, 4.0]), tx, jnp.zeros(()))
  np.testing.assert_array_equal(after.params, [0.0, -4.0])


@pytest.mark.parametrize('interval', [1, 2])
def test_rates_and_weights_follow_images_and_not_steps(interval):
  ridge = recipe.Regulariser('ridge', Ridge(), None, falling(), interval)
  seen = Augmentation(pseudo=True, strength=falling())
  made = make(tx=adam_at(falling(0.1)), regularisers=(ridge,), augmentation=seen)
  step = jax.jit(module.make_train_step(made))
  for images, count, moves in ((0, 0, True), (0, 1000, True), (SHOWN, 0, False), (SHOWN, 2, False)):
    start = at(made, count, images)
    after, metrics = step(start, batch())
    for player in ('generator', 'discriminator'):
      same = equal(getattr(start, player).params, getattr(after, player).params)
      assert same != moves, (images, count, player)
    assert metrics['augment_strength'] == float(moves)
    assert after.images == images + BATCH
    assert after.step == count + 1


def test_a_regularisers_weight_follows_images():
  ridge = recipe.Regulariser('ridge', Ridge(), None, falling(0.5), 1)
  plain, made = make(), make(regularisers=(ridge,))
  steps = [jax.jit(module.make_train_step(each)) for each in (plain, made)]
  for images in (0, SHOWN // 2, SHOWN):
    ends = [step(at(made, 7, images), batch())[0] for step in steps]
    start = start_of(made)
    weight = 0.5 * (0.5 * (1 + np.cos(np.pi * images / SHOWN)))
    of = lambda s: np.asarray(s.discriminator.params['kernel'])
    expected = -0.1 * 2 * weight * of(start)
    np.testing.assert_allclose(of(ends[1]) - of(ends[0]), expected, rtol=1e-3, atol=1e-6)


# --- The average


@pytest.mark.parametrize(
  ('half_life', 'ramp'),
  [(constant(10.0), 0.0), (constant(1e4), 0.5), (optim.cosine(80.0, 2.0, 12), 0.0)],
)
def test_the_average_is_the_recursion_over_images_shown(half_life, ramp):
  """Of weights and of collections; from the first weights on, shown counted before each update."""
  made = make(ema_half_life=half_life, ema_ramp=ramp)
  step = jax.jit(module.make_train_step(made))
  current = start_of(made)
  variables = lambda s: {'params': s.generator.params, **s.generator.mutable}
  expected = jax.tree.map(np.asarray, variables(current))
  assert equal(current.ema, expected)
  for number in range(4):
    shown = number * BATCH
    current, _ = step(current, batch())
    life = float(half_life(jnp.asarray(float(shown))))
    life = min(life, ramp * shown) if ramp else life
    decay = 0.5 ** (BATCH / life) if life else 0.0
    new = jax.tree.map(np.asarray, variables(current))
    expected = jax.tree.map(lambda old, n, d=decay: d * old + (1 - d) * n, expected, new)
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), current.ema, expected
    )
  assert not equal(current.ema, variables(current))


def test_several_updates_of_the_discriminator_count_all_their_images_for_the_average():
  made = make(d_steps=3, ema_half_life=constant(12.0))
  start = start_of(made)
  after, _ = jax.jit(module.make_train_step(made))(start, batch(3 * BATCH))
  assert after.images == 3 * BATCH
  halfway = jax.tree.map(lambda a, b: (a + b) / 2, start.ema['params'], after.generator.params)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), after.ema['params'], halfway
  )


# --- What is not finite


def broken(player, what):
  """A loss whose value, or whose gradient alone, is not finite, of one player."""

  def spoilt(logits):
    if what == 'value':
      return logits + jnp.inf
    return logits + jnp.sqrt(jnp.square(0 * logits))  # 0, with the gradient 0 / 0

  class Loss(Wasserstein):
    pass

  if player == 'd':
    Loss.d_loss = staticmethod(lambda real, fake: spoilt(fake - real))
  else:
    Loss.g_loss = staticmethod(lambda real, fake: spoilt(-fake))
  return Loss


@pytest.mark.parametrize('what', ['value', 'gradient'])
def test_the_generators_value_or_gradient_is_told(what):
  made = make(broken('g', what))
  _, metrics = jax.jit(module.make_train_step(made))(start_of(made), batch())
  assert (metrics['d_finite'], metrics['g_finite']) == (1, 0)


@pytest.mark.parametrize('what', ['value', 'gradient'])
def test_the_discriminators_value_or_gradient_is_told(what):
  made = make(broken('d', what))
  _, metrics = jax.jit(module.make_train_step(made))(start_of(made), batch())
  assert metrics['d_finite'] == 0
  assert np.isfinite(metrics['d_loss']) == (what == 'gradient')


class Sharp:
  """A regulariser of value 0 and a gradient that is none, of one player."""

  Settings = types.SimpleNamespace

  def __init__(self, player):
    setattr(self, player, self._term)

  def _term(self, view, settings):
    del settings
    return jnp.sqrt(jnp.square(0 * view.params['kernel'])).sum()[None]


@pytest.mark.parametrize('player', ['discriminator', 'generator'])
@pytest.mark.parametrize('interval', [1, 2])
def test_a_regularisers_gradient_is_told_where_it_is_due(player, interval):
  sharp = recipe.Regulariser('sharp', Sharp(player), None, constant(1.0), interval)
  made = make(regularisers=(sharp,))
  step = jax.jit(module.make_train_step(made))
  name = f'{player[0]}_finite'
  assert step(start_of(made), batch())[1][name] == 0
  assert step(at(made, 1, 0), batch())[1][name] == (interval == 2)


def test_one_device_of_eight_with_a_value_that_is_not_finite_is_told():
  step = module.make_train_step(make(axis_name=parallel.AXIS))
  run = parallel.pmap_step(lambda s, data: step(s, data))
  data = batch(8)
  made = make()
  start = start_of(made)
  spoilt = start.generator.params['kernel'].at[0, 0].set(jnp.inf)
  start = start.replace(generator=start.generator.replace(params={'kernel': spoilt}))
  _, metrics = run(parallel.replicate(start), parallel.shard(data))
  assert not np.asarray(metrics['g_finite']).any()
  assert not np.asarray(metrics['d_finite']).any()


# --- Flip and presentation


def test_reals_alone_are_mirrored_and_by_draws_of_their_own(monkeypatch):
  data = batch()
  _, calls, _ = given(monkeypatch, make(flip=True), data)
  (d,) = calls['d']
  plain = images_of(data, slice(None))
  mirrored = [
    np.allclose(a, b[:, ::-1], atol=1e-6) for a, b in zip(d.real.images, plain, strict=True)
  ]
  key = jax.random.fold_in(jax.random.wrap_key_data(start_of(make()).rng), 0)
  keys = draws.per_example(draws.named(key, 'flip'), jnp.arange(BATCH))
  assert mirrored == np.asarray(jax.vmap(jax.random.bernoulli)(keys)).tolist()
  assert len(set(mirrored)) == 2


def test_what_is_drawn_by_another_name_place_or_step_is_another():
  key = jax.random.key(1)
  data = lambda key: tuple(np.asarray(jax.random.key_data(key)).tolist())
  named = {data(draws.named(jax.random.fold_in(key, s), n)) for s in (0, 1) for n in ('a', 'b')}
  assert len(named) == 4
  places = functools.partial(draws.per_example, key)
  found = np.asarray(jax.random.key_data(places(jnp.arange(5))))
  assert len(np.unique(found, axis=0)) == 5
  np.testing.assert_array_equal(jax.random.key_data(places(jnp.array([3])))[0], found[3])
