"""Laws of what a recipe can ask of a step beside loss and regularisers."""

import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import registry
from gan_jax.models import dcgan, gat, r3gan
from gan_jax.runtime import parallel
from gan_jax.training import optim, recipe, state
from gan_jax.training.augment import controller, diffaugment
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.losses import hinge, nonsaturating, relativistic
from gan_jax.training.step import make_train_step

BATCH = 16


def constant(value):
  return optim.cosine(value, None, 0)


@functools.cache
def networks(axis_name=None, norm='none', condition='projection'):
  shape = {'resolution': 16, 'channels': 1, 'num_classes': 3, 'axis_name': axis_name, 'width': 4}
  generator = dcgan.Generator(latent_size=4, **shape)
  discriminator = dcgan.Discriminator(
    discriminator_norm=norm, discriminator_condition=condition, **shape
  )
  return generator, discriminator


def regulariser(name, weight=1.0, interval=1):
  module = registry.find('training.regularisers', name, '')
  return recipe.Regulariser(name, module, module.Settings(), constant(weight), interval)


def make(loss=nonsaturating, tx=None, parts=None, **options):
  tx = tx or optax.sgd(0.1)
  options = {'ema_half_life': constant(100.0), **options}
  return recipe.Recipe(*(parts or networks()), tx, tx, loss, BATCH, **options)


def batch(count=BATCH, seed=0):
  rng = np.random.default_rng(seed)
  return {
    'image': rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8),
    'label': rng.integers(0, 3, count, dtype=np.int32),
  }


def start_of(made):
  return state.initializer(made)(jax.random.key(0))


def run(made, data, start=None):
  return jax.jit(make_train_step(made))(start_of(made) if start is None else start, data)


def assert_close(a, b, rtol=2e-3, atol=2e-5):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


class Still:
  """A loss that moves nothing: what moves is the regularisers."""

  @staticmethod
  def d_loss(real_logits, fake_logits):
    return 0 * (real_logits + fake_logits)

  @staticmethod
  def g_loss(real_logits, fake_logits):
    del real_logits
    return 0 * fake_logits


@pytest.mark.parametrize(
  ('name', 'player'), [('r1', 'discriminator'), ('path_length', 'generator')]
)
def test_a_lazy_regulariser_adds_up_to_the_one_of_every_step(name, player):
  """Its one update in k steps is k times that of every step; the other k − 1 are empty."""
  parts = networks(norm='none')
  every = make(Still, regularisers=(regulariser(name, 1e-3),), parts=parts)
  lazy = make(Still, regularisers=(regulariser(name, 1e-3, interval=3),), parts=parts)
  start = start_of(every)
  change = lambda after: jax.tree.map(
    jnp.subtract, getattr(after, player).params, getattr(start, player).params
  )
  first, metrics = run(every, batch(), start)
  step = jax.jit(make_train_step(lazy))
  after, lazy_metrics = step(start, batch())
  assert_close(change(after), jax.tree.map(lambda x: 3 * x, change(first)), rtol=1e-3, atol=1e-6)
  np.testing.assert_allclose(lazy_metrics[name], metrics[name], rtol=1e-4)
  for _ in range(2):
    again, lazy_metrics = step(after, batch())
    assert_close(getattr(again, player).params, getattr(after, player).params, 0, 0)
    assert np.isnan(lazy_metrics[name])
    after = again
  moved, lazy_metrics = step(after, batch())
  assert np.isfinite(lazy_metrics[name])
  assert lazy_metrics['d_finite'] == lazy_metrics['g_finite'] == 1
  weights = [jax.flatten_util.ravel_pytree(getattr(s, player).params)[0] for s in (moved, after)]
  assert not np.array_equal(*weights)


def test_each_regulariser_is_used_at_its_own_interval_and_at_no_other():
  used = (
    regulariser('r1'),
    regulariser('lecam', interval=3),
    regulariser('path_length', interval=3),
    regulariser('r2', interval=2),
  )
  made = make(regularisers=used)
  names = lambda part: {
    interval: [each.name for each in group] for interval, group in made.by_interval(part).items()
  }
  assert names('discriminator') == {1: ['r1'], 2: ['r2'], 3: ['lecam']}
  assert names('generator') == {3: ['path_length']}


LOSSES = nonsaturating, relativistic


class OneOf:
  """The loss of a number that is known when the program runs: one program for all."""

  def __init__(self, number):
    self._number = number

  def d_loss(self, real_logits, fake_logits):
    return jax.lax.switch(self._number, [x.d_loss for x in LOSSES], real_logits, fake_logits)

  def g_loss(self, real_logits, fake_logits):
    return jax.lax.switch(self._number, [x.g_loss for x in LOSSES], real_logits, fake_logits)


@pytest.fixture(scope='module')
def in_parts():
  """Steps by the number of the loss: whole and in four parts, `{parts: step(number)}`."""
  shape = {'resolution': 16, 'channels': 1, 'num_classes': 3, 'widths': (8, 8, 8), 'blocks': 1}
  parts = (
    r3gan.Generator(latent_size=4, group_size=8, **shape),
    r3gan.Discriminator(group_size=8, **shape),
  )
  names = ('r1', 'approximate_r2', 'latent_consistency', 'balanced_consistency', 'logit_centring')
  options = {
    'regularisers': (
      *(regulariser(name, 0.1) for name in names),
      regulariser('orthogonal', 0.1, 2),
    ),
    'augmentation': Augmentation(
      ((diffaugment, diffaugment.Settings()),), strength=lambda _: jnp.asarray(1.0)
    ),
    'parts': parts,
    'tx': optax.sgd(1e-2),
  }
  start = start_of(make(nonsaturating, **options))

  def step(accumulate):
    made = lambda number: make(OneOf(number), accumulate=accumulate, **options)
    run = jax.jit(lambda number, start, data: make_train_step(made(number))(start, data))
    return lambda number: run(number, start, batch())

  return {accumulate: step(accumulate) for accumulate in (1, 4)}


@pytest.mark.parametrize('loss', LOSSES)
def test_parts_of_a_batch_add_up_to_it(loss, in_parts):
  """All but what looks at averages over the batch: draws, labels, lazy and other terms."""
  number = LOSSES.index(loss)
  (whole, metrics), (cut, cut_metrics) = (in_parts[count](number) for count in (1, 4))
  assert_close(cut.discriminator.params, whole.discriminator.params, atol=1e-6)
  assert_close(cut.generator.params, whole.generator.params, atol=1e-6)
  assert_close(cut_metrics, metrics, atol=1e-4)
  _, others = in_parts[4](1 - number)
  assert abs(others['g_loss'] - cut_metrics['g_loss']) > 1e-3


class Mapped(gat.Generator):
  """The mapping of GAT with its means of w a class, and images of one grey."""

  def synthesis(self, w, labels, train):
    return jnp.broadcast_to(w.mean(axis=1)[:, None, None, None], (len(w), 16, 16, 1))


def test_parts_of_a_batch_move_the_means_of_w_as_the_whole_does():
  shape = {'resolution': 16, 'channels': 1, 'num_classes': 3, 'depth': 4, 'width': 8, 'heads': 1}
  parts = Mapped(latent_size=4, **shape), networks()[1]
  (whole, _), (cut, _) = (run(make(parts=parts, accumulate=n), batch()) for n in (1, 4))
  assert np.abs(whole.generator.mutable['averages']['w']).min() > 0
  assert_close(cut.generator.mutable, whole.generator.mutable, rtol=1e-4, atol=1e-7)
  assert_close(cut.generator.params, whole.generator.params, atol=1e-6)


def test_several_updates_of_the_discriminator_take_reals_of_their_own():
  tx = optim.adam(optim.Adam(constant(1e-3), 0.0, constant(0.9)))
  made = make(tx=tx, d_steps=3, share_batch=False)
  assert made.examples_per_step == 4 * BATCH
  data = batch(4 * BATCH)
  start, step = start_of(made), jax.jit(make_train_step(made))
  after, metrics = step(start, data)
  assert after.discriminator.opt_state.count == 3
  assert after.generator.opt_state.count == 1
  for part in range(4):
    changed = {**data, 'image': data['image'].copy()}
    changed['image'][part::4] = 255 - changed['image'][part::4]
    other, _ = step(start, changed)
    same = all(
      np.array_equal(a, b)
      for a, b in zip(
        jax.tree.leaves(after.discriminator.params),
        jax.tree.leaves(other.discriminator.params),
        strict=True,
      )
    )
    # The last part is the generator's, whose loss does not look at reals here.
    assert same == (part == 3)
  assert metrics['d_finite'] == 1


def test_pseudo_reals_of_probability_one_are_the_fakes():
  fixed = lambda p: Augmentation(pseudo=True, strength=lambda _: jnp.asarray(p))
  _, metrics = run(make(hinge, augmentation=fixed(1.0)), batch())
  assert metrics['real_logit'] == metrics['fake_logit']
  plain, expected = run(make(hinge), batch())
  none, metrics = run(make(hinge, augmentation=fixed(0.0)), batch())
  np.testing.assert_allclose(metrics['real_logit'], expected['real_logit'], rtol=1e-6)
  assert_close(none.discriminator.params, plain.discriminator.params)


def test_the_controller_follows_the_sign_of_the_reals():
  settings = controller.Settings(target=0.6, ramp_images=64.0, interval=2, maximum=0.9)
  made = make(
    augmentation=Augmentation(((diffaugment, diffaugment.Settings()),), adaptive=settings)
  )
  step, current = jax.jit(make_train_step(made)), start_of(made)
  signs, strengths = [], []
  for seed in range(4):
    current, metrics = step(current, batch(seed=seed))
    signs.append(float(metrics['d_real_sign']))
    strengths.append(float(current.augmentation.strength))
  moves = [np.sign(np.mean(signs[i : i + 2]) - 0.6) * 2 * BATCH / 64 for i in (0, 2)]
  first = min(max(moves[0], 0), 0.9)
  second = min(max(first + moves[1], 0), 0.9)
  np.testing.assert_allclose(strengths, [0, first, first, second], atol=1e-6)


def test_labels_of_fakes_follow_their_probabilities():
  """With one class certain, fakes are of it whatever the reals are."""
  only = lambda k: tuple(float(i == k) for i in range(3))
  step = lambda k: run(make(fake_labels=None if k is None else only(k)), batch())[1]
  found = {k: float(step(k)['fake_logit']) for k in (None, 0, 1)}
  assert len(set(found.values())) == 3


EVERYTHING = (
  'r1',
  'r2',
  'approximate_r1',
  'gradient_penalty',
  'dragan',
  'balanced_consistency',
  'latent_consistency',
  'logit_centring',
  'mode_seeking',
  'orthogonal',
  'gradient_normalisation',
  'auxiliary_classifier',
)


def check_on_eight_devices(of, **options):
  """Two steps of a recipe on one device and on eight; `of(axis name)`: its networks."""
  made = make(parts=of(None), **options)
  one, single = start_of(made), jax.jit(make_train_step(made))
  eight = parallel.replicate(one)
  made = make(parts=of(parallel.AXIS), axis_name=parallel.AXIS, **options)
  sharded = parallel.pmap_step(make_train_step(made))
  for seed in range(2):
    data = batch(made.examples_per_step, seed)
    one, expected = single(one, data)
    eight, actual = sharded(eight, parallel.shard(data))
    for name, value in expected.items():
      np.testing.assert_allclose(
        actual[name], np.full(8, value), rtol=5e-3, atol=1e-3, err_msg=name
      )
  assert_close(parallel.to_host(eight), one, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_eight_devices_give_the_run_of_one_with_everything_on():
  """Regularisers, lazy ones with a state, adaptive strength, labels."""
  used = (
    *(regulariser(name, 0.1) for name in EVERYTHING),
    regulariser('lecam', 0.01, interval=2),
    regulariser('path_length', 0.01, interval=2),
  )
  settings = controller.Settings(target=0.0, ramp_images=64.0, interval=1, initial=0.5)
  check_on_eight_devices(
    lambda axis: networks(axis, 'spectral', 'classifier'),
    loss=registry.find('training.losses', 'relativistic_average', ''),
    tx=optax.sgd(1e-2),
    regularisers=used,
    augmentation=Augmentation(
      ((diffaugment, diffaugment.Settings()),), pseudo=True, adaptive=settings
    ),
    flip=True,
    fake_labels=(0.5, 0.25, 0.25),
  )


def test_eight_devices_deal_reals_to_several_updates_as_one_does():
  """In a test of its own: a program holds each update of the discriminator anew."""
  settings = controller.Settings(target=0.0, ramp_images=64.0, interval=1, initial=0.5)
  augmentation = Augmentation(pseudo=True, adaptive=settings)
  check_on_eight_devices(
    lambda axis: networks(axis, 'spectral'),
    d_steps=2,
    flip=True,
    augmentation=augmentation,
    regularisers=(regulariser('lecam', 0.01, interval=2),),
  )
