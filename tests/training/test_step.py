"""Laws of the train step, on real small networks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.models import dcgan, r3gan
from gan_jax.runtime import parallel
from gan_jax.training import draws, generator, optim, recipe, state
from gan_jax.training import step as step_module
from gan_jax.training.losses import nonsaturating, relativistic
from gan_jax.training.regularisers import r1 as r1_module
from gan_jax.training.regularisers import r2 as r2_module
from gan_jax.training.step import make_train_step

BATCH = 16


def constant(value):
  return optim.cosine(value, None, 0)


def adam(learning_rate):
  return optim.adam(optim.Adam(constant(learning_rate), 0.5, constant(0.99)))


def networks(axis_name=None, norm='batch'):
  shape = {'resolution': 16, 'channels': 1, 'num_classes': 3, 'axis_name': axis_name, 'width': 8}
  tx = lambda: adam(1e-3)
  generator = dcgan.Generator(latent_size=8, **shape)
  discriminator = dcgan.Discriminator(discriminator_norm=norm, **shape)
  return generator, discriminator, tx(), tx()


def regulariser(module, weight, **options):
  name = module.__name__.split('.')[-1]
  return recipe.Regulariser(name, module, module.Settings(), constant(weight), **options)


R1, R2 = regulariser(r1_module, 0.5), regulariser(r2_module, 0.5)


def make(parts, loss=nonsaturating, axis_name=None, **options):
  """The recipe of a step."""
  options = {'ema_half_life': constant(100.0), 'regularisers': (R1,), **options}
  return recipe.Recipe(*parts, loss, BATCH, axis_name=axis_name, **options)


def batch(count=BATCH, seed=0):
  rng = np.random.default_rng(seed)
  return {
    'image': rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8),
    'label': rng.integers(0, 3, count, dtype=np.int32),
  }


def leaves_equal(a, b):
  pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  return all(np.array_equal(x, y) for x, y in pairs)


def initial_state(made):
  return state.initializer(made)(jax.random.key(0))


@pytest.fixture(scope='module')
def trained():
  """A compiled step, its first state, and where one step takes it."""
  made = make(networks())
  step = jax.jit(make_train_step(made))
  start = initial_state(made)
  return step, start, *step(start, batch())


def test_a_step_moves_both_players_and_counts(trained):
  _, start, after, metrics = trained
  assert after.step == 1
  for player in ('generator', 'discriminator'):
    before, now = getattr(start, player), getattr(after, player)
    assert not leaves_equal(before.params, now.params)
    assert not leaves_equal(before.mutable, now.mutable)
  assert metrics['d_finite'] == metrics['g_finite'] == 1
  assert all(value.shape == () for value in metrics.values())


def test_the_same_state_and_batch_give_the_same_bits(trained):
  step, start, after, _ = trained
  again, _ = step(start, batch())
  assert leaves_equal(after, again)


def test_each_step_and_each_seed_draw_other_latents(trained):
  step, start, _, metrics = trained
  _, later = step(dataclasses.replace(start, step=jnp.asarray(1)), batch())
  _, other = step(dataclasses.replace(start, rng=start.rng + 1), batch())
  assert len({float(m['fake_logit']) for m in (metrics, later, other)}) == 3


def test_many_steps_trace_once():
  traces = []
  made = make(networks())
  inner = make_train_step(made)
  step = jax.jit(lambda s, b: traces.append(1) or inner(s, b))
  current = initial_state(made)
  for seed in range(3):
    current, _ = step(current, batch(seed=seed))
  assert len(traces) == 1


def frozen(player):
  """Networks of which one player's optimiser does not move."""
  parts = list(networks())
  parts[3 if player == 'discriminator' else 2] = adam(0.0)
  return parts


def test_the_generator_gains_against_a_discriminator_that_stands_still():
  made = make(frozen('discriminator'), regularisers=())
  step = jax.jit(make_train_step(made))
  current, losses = initial_state(made), []
  first = current.discriminator.params
  for _ in range(10):
    current, metrics = step(current, batch())
    losses.append(float(metrics['g_loss']))
  assert losses[-1] < losses[0] / 2  # the draws of a step alone move it by a fifth
  assert leaves_equal(first, current.discriminator.params)


def test_the_discriminator_gains_against_a_generator_that_stands_still():
  made = make(frozen('generator'), regularisers=())
  step = jax.jit(make_train_step(made))
  current, losses = initial_state(made), []
  first = current.generator.params
  for _ in range(10):
    current, metrics = step(current, batch())
    losses.append(float(metrics['d_loss']))
  assert losses[-1] < losses[0] / 2  # the draws of a step alone move it by a fifth
  assert leaves_equal(first, current.generator.params)


def test_without_memory_the_average_is_the_generator():
  made = make(networks(), ema_half_life=constant(0.0))
  after, _ = jax.jit(make_train_step(made))(initial_state(made), batch())
  variables = {'params': after.generator.params, **after.generator.mutable}
  assert leaves_equal(after.ema, variables)


class Hinge:
  """A loss whose slopes are zero where a logit is beyond its margin."""

  @staticmethod
  def d_loss(real_logits, fake_logits):
    return jnp.maximum(1 - real_logits, 0) + jnp.maximum(1 + fake_logits, 0)

  @staticmethod
  def g_loss(real_logits, fake_logits):
    return -fake_logits


LOSSES = {
  'nonsaturating': nonsaturating,
  'relativistic': relativistic,
  # Flat where a logit is beyond its margin: no slope to share with the penalties.
  'hinge': Hinge,
}


@pytest.mark.parametrize(
  ('norm', 'loss', 'r1', 'r2'),
  [
    ('none', 'nonsaturating', 0.5, 0.25),
    ('none', 'nonsaturating', 0.5, None),
    ('none', 'relativistic', 0.5, 0.25),
    ('none', 'relativistic', None, 0.25),
    ('none', 'hinge', 0.5, 0.25),
    ('batch', 'nonsaturating', 0.5, None),
    ('batch', 'relativistic', 0.5, 0.25),
    ('batch', 'relativistic', None, None),
  ],
)
def test_gradients_are_those_of_the_losses_written_out(norm, loss, r1, r2):
  """With plain gradient descent, an update is the gradient: compare with the textbook's."""
  generator, discriminator, *_ = networks(norm=norm)
  parts = (generator, discriminator, optax.sgd(1.0), optax.sgd(1.0))
  data, loss = batch(), LOSSES[loss]
  weights = {r1_module: r1, r2_module: r2}
  made = make(
    parts, loss, regularisers=tuple(regulariser(m, w) for m, w in weights.items() if w is not None)
  )
  start = initial_state(made)
  after, _ = jax.jit(make_train_step(made))(start, data)
  key = jax.random.fold_in(jax.random.wrap_key_data(start.rng), 0)
  latent_key = draws.named(key, 'latent')
  z = draws.draw_latents(latent_key, jnp.arange(BATCH), 8)
  x, labels = data['image'] / 127.5 - 1.0, data['label']

  def fakes(params):
    variables = {'params': params, **start.generator.mutable}
    return generator.apply(variables, z, labels, train=True, mutable=['batch_stats'])[0]

  def score(params, x):
    variables = {'params': params, **start.discriminator.mutable}
    return discriminator.apply(variables, x, labels, train=True, mutable=['batch_stats'])[0]

  def d_objective(params):
    fake = fakes(start.generator.params)
    norms = lambda x: jnp.sum(jax.grad(lambda x: score(params, x).sum())(x) ** 2, (1, 2, 3))
    penalty = (r1 or 0) / 2 * norms(x) + (r2 or 0) / 2 * norms(fake)
    return jnp.mean(loss.d_loss(score(params, x), score(params, fake)) + penalty)

  d_grads = jax.jit(jax.grad(d_objective))(start.discriminator.params)
  d_params = jax.tree.map(lambda p, g: p - g, start.discriminator.params, d_grads)
  compare = lambda a, b: jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), a, b
  )
  compare(after.discriminator.params, d_params)
  # From the updated discriminator of the step itself, so that rounding does not add up.
  judge = lambda images: score(after.discriminator.params, images)
  g_objective = lambda p: loss.g_loss(judge(x), judge(fakes(p))).mean()
  g_grads = jax.jit(jax.grad(g_objective))(start.generator.params)
  compare(after.generator.params, jax.tree.map(lambda p, g: p - g, start.generator.params, g_grads))


def test_penalties_of_a_piecewise_linear_network_share_the_backward_pass_of_the_loss():
  """Per image of the discriminator, in passes over the network: 5 instead of 6 (by operations)."""

  class Unaware(dcgan.Discriminator):
    piecewise_linear = False

  generator, discriminator, *txs = networks(norm='none')
  names = ('resolution', 'channels', 'num_classes', 'width')
  fields = {name: getattr(discriminator, name) for name in names}
  data = batch()

  def operations(function, *arguments):
    lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=('tpu',))
    return lowered.cost_analysis()['flops']

  def of_a_step(discriminator, regularisers):
    made = make((generator, discriminator, *txs), regularisers=regularisers)
    shapes = jax.eval_shape(state.initializer(made), jax.random.key(0))
    return operations(make_train_step(made), shapes, data)

  unaware = Unaware(discriminator_norm='none', **fields)
  images, labels = data['image'] * 1.0, data['label']
  initialise = lambda: discriminator.init(jax.random.key(0), images, labels, train=True)
  forward = lambda variables: discriminator.apply(variables, images, labels, train=True)
  one = operations(forward, jax.eval_shape(initialise))
  for count, used in ((1, (R1,)), (2, (R1, R2))):  # parts of the batch that are penalised
    saved = of_a_step(unaware, used) - of_a_step(discriminator, used)
    assert 0.7 < saved / (count * one) < 1.3


def test_fresh_batches_give_the_players_different_reals():
  made = make(networks(), share_batch=False, loss=relativistic)
  step = jax.jit(make_train_step(made))
  start = initial_state(made)
  double = batch(2 * BATCH)
  after, metrics = step(start, double)
  changed = {name: array.copy() for name, array in double.items()}
  changed['image'][1::2] = 255 - changed['image'][1::2]  # the generator's alone
  other, other_metrics = step(start, changed)
  assert leaves_equal(after.discriminator.params, other.discriminator.params)
  assert metrics['d_loss'] == other_metrics['d_loss']
  assert metrics['g_loss'] != other_metrics['g_loss']


def test_flip_mirrors_about_half_of_the_images():
  images = jnp.asarray(batch(200)['image'], jnp.float32)
  keys = draws.per_example(jax.random.key(0), jnp.arange(200))
  flipped = np.asarray(step_module._flip(keys, images))
  mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
  kept = (flipped == images).all((1, 2, 3))
  assert (mirrored ^ kept).all()
  assert 70 < mirrored.sum() < 130


def test_latents_are_normal_and_each_depends_on_its_place_alone():
  draw = jax.jit(lambda places: draws.draw_latents(jax.random.key(3), places, 50))
  z = np.asarray(draw(jnp.arange(200)))
  assert abs(z.mean()) < 0.05
  assert abs(z.std() - 1) < 0.05
  np.testing.assert_array_equal(draw(jnp.array([7, 3]))[1], z[3])


@pytest.mark.parametrize('share_batch', [True, False])
def test_eight_devices_give_the_run_of_one(share_batch):
  """Two steps of one device and of eight, batch statistics and penalties included."""
  count = BATCH if share_batch else 2 * BATCH
  options = {'share_batch': share_batch, 'flip': True, 'regularisers': (R1, R2)}
  made = make(networks(), **options)
  one = initial_state(made)
  single = jax.jit(make_train_step(made))
  parts = networks(parallel.AXIS)
  eight = parallel.replicate(one)
  sharded = parallel.pmap_step(make_train_step(make(parts, axis_name=parallel.AXIS, **options)))
  for seed in range(2):
    data = batch(count, seed)
    one, expected = single(one, data)
    eight, actual = sharded(eight, parallel.shard(data))
    for name, value in expected.items():
      np.testing.assert_allclose(actual[name], np.full(8, value), rtol=2e-3, atol=1e-4)
  for a, b in zip(jax.tree.leaves(parallel.to_host(eight)), jax.tree.leaves(one), strict=True):
    np.testing.assert_allclose(a, b, rtol=5e-3, atol=5e-4)


def test_every_returned_leaf_is_averaged_over_the_axis():
  """vmap with no mapped output raises for a leaf that differs between devices; pmap would not."""
  made = make(networks('axis'), axis_name='axis')
  step = make_train_step(made)
  start = initial_state(made)
  data = {name: array.reshape(2, BATCH // 2, *array.shape[1:]) for name, array in batch().items()}
  mapped = jax.vmap(step, in_axes=(None, 0), out_axes=None, axis_name='axis', axis_size=2)
  after, _ = jax.eval_shape(mapped, start, data)
  assert jax.tree.structure(after) == jax.tree.structure(start)


def test_the_loss_of_reals_is_computed_only_where_the_generator_uses_it():
  assert generator.uses_real_logits(make(networks(), relativistic))
  assert not generator.uses_real_logits(make(networks(), nonsaturating))


def test_r3gan_takes_a_step_with_both_penalties():
  shape = {'resolution': 16, 'channels': 1, 'num_classes': 3, 'widths': (8, 8, 8), 'blocks': 1}
  shape |= {'group_size': 8}
  tx = optim.adam(optim.Adam(constant(1e-3), 0.0, constant(0.9)))
  generator = r3gan.Generator(latent_size=8, embedding_size=4, **shape)
  parts = generator, r3gan.Discriminator(discriminator_embedding_size=5, **shape), tx, tx
  made = make(parts, relativistic, share_batch=False, regularisers=(R1, R2))
  step = jax.jit(make_train_step(made))
  current = initial_state(made)
  for seed in range(3):
    current, metrics = step(current, batch(2 * BATCH, seed))
  assert metrics['d_finite'] == metrics['g_finite'] == 1
  assert metrics['r1'] > 0
  assert metrics['r2'] > 0
