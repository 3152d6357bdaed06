"""Against R3GAN's own code: `fixtures/make_r3gan.py`; counts; sizes; first values."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.published import r3gan_1024, r3gan_cifar10, r3gan_ffhq256
from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.models import r3gan
from gan_jax.training import discriminator, optim, recipe
from gan_jax.training import generator as generator_update
from gan_jax.training.judging import Examples
from gan_jax.training.losses import relativistic
from gan_jax.training.regularisers import r1, r2
from gan_jax.training.state import Player
from gan_jax.training.view import Moment
from tests.models import drawn, originals

GAMMA = 0.3
FIXTURE = originals.load('r3gan')
LABELS = jnp.array([0, 1, 2])
SMALL = {'widths': (16, 16, 8), 'blocks': 1, 'group_size': 8}


def _init(module, *args):
  return jax.jit(lambda: module.init_with_output(jax.random.key(0), *args, train=False))()


def _shapes(module, *args):
  return jax.eval_shape(lambda: module.init(jax.random.key(0), *args, train=False))


def _count(variables):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(variables['params']))


def test_parameters_are_as_many_as_counted_by_hand():
  # Width w, wide 2w, groups of 16: a block has w·2w + 2w·16·9 + 2w·w weights and 2·2w biases.
  w, blocks = 96, 8
  block = 2 * w * w + 2 * w * 16 * 9 + 2 * w * w + 4 * w
  g = _shapes(r3gan.Generator(32, 3, 64), jnp.zeros((3, 64)), LABELS)
  d = _shapes(r3gan.Discriminator(32, 3), jnp.zeros((3, 32, 32, 3)), LABELS)
  assert _count(g) == 16 * w + 64 * w + blocks * block + 3 * w
  assert _count(d) == 3 * w + blocks * block + 16 * w + w


@pytest.mark.parametrize(
  ('recipe', 'classes', 'generator', 'discriminator'),
  [(r3gan_cifar10, 10, 20_781_952, 21_280_512), (r3gan_ffhq256, 0, 23_057_952, 23_009_568)],
)
def test_recipes_have_as_many_weights_as_their_originals(recipe, classes, generator, discriminator):
  config = recipe.get_config()
  parts = build.networks(config, 3, classes)
  side = config.dataset.resolution
  made = _shapes(parts.generator, jnp.zeros((3, config.model.latent_size)), LABELS)
  assert _count(made) == generator
  assert (
    _count(_shapes(parts.discriminator, jnp.zeros((3, side, side, 3)), LABELS)) == discriminator
  )


def test_the_recipe_for_1024_pixels_has_two_stages_more():
  config = r3gan_1024.get_config()
  parts = build.networks(config, 3, 0)
  z = jnp.zeros((3, config.model.latent_size))
  images = jax.ShapeDtypeStruct((3, 1024, 1024, 3), jnp.float32)
  # Two blocks as above, the change of width before them, and the layer at the image.
  block = lambda w: 2 * w * w + 2 * w * 16 * 9 + 2 * w * w + 4 * w
  more = 2 * block(48) + 96 * 48 + 2 * block(24) + 48 * 24 + 3 * (24 - 96)
  assert _count(_shapes(parts.generator, z, LABELS)) == 23_057_952 + more
  init = lambda x: parts.discriminator.init(jax.random.key(0), x, LABELS, train=False)
  assert _count(jax.eval_shape(init, images)) == 23_009_568 + more


def both_updates(generator, network):
  """Makes what R3GAN's updates make of players and examples, gradients as optimisers' states."""
  keep = optax.GradientTransformation(
    lambda params: (), lambda grads, state, params=None: (grads, grads)
  )
  weight = optim.cosine(GAMMA, None, 0)
  penalties = tuple(
    recipe.Regulariser(name, part, part.Settings(), weight)
    for name, part in (('r1', r1), ('r2', r2))
  )
  made = recipe.Recipe(
    generator, network, keep, keep, relativistic, 4, weight, regularisers=penalties
  )
  moment = Moment(jnp.zeros((), jnp.int32), jnp.zeros(()), jax.random.key(0), jnp.zeros(()))

  @jax.jit
  def run(g, d, reals, latents, labels):
    places = jnp.arange(len(reals))
    keys = jax.random.split(jax.random.key(0), len(reals))
    examples = lambda images: Examples(images, labels, places, keys, latents)
    fakes = generator.apply({'params': g.params}, latents, labels, train=True)
    of_d = discriminator.update(made, d, g, {}, examples(reals), examples(fakes), moment)
    of_g = generator_update.update(made, g, d, {}, examples(reals), examples(fakes), None, moment)
    return fakes, of_d, of_g

  return run


@pytest.mark.parametrize(('case', 'classes'), [('conditional', 3), ('unconditional', 0)])
def test_images_and_both_updates_are_those_of_the_original(case, classes):
  expected = originals.part(FIXTURE, case)
  sizes = {'widths': (12, 12, 8), 'group_size': 4}
  generator = r3gan.Generator(16, 3, 6, classes, embedding_size=5, **sizes)
  network = r3gan.Discriminator(16, 3, classes, discriminator_embedding_size=7, **sizes)
  latents, labels = drawn.draw('latents', (4, 6)), jnp.arange(4) % max(classes, 1)
  reals = np.tanh(drawn.draw('reals', (4, 16, 16, 3)))
  player = lambda *words: Player(originals.variables(*words, labels)['params'], {}, ())
  g, d = player(generator, 'g', latents), player(network, 'd', reals)
  fakes, of_d, of_g = both_updates(generator, network)(g, d, reals, latents, labels)
  (d, _, d_metrics), (g, _, _, g_metrics) = of_d, of_g
  originals.close(fakes, expected['fakes'])
  for name in ('real', 'fake'):
    originals.close(d_metrics[f'{name}_logit'], expected[f'{name}_logits'].mean())
  for name in ('r1', 'r2'):  # of the paper, where ours are halves of the squares
    originals.close(2 * d_metrics[name], expected[name])
  originals.close(d_metrics['d_loss'], expected['d_loss'])
  originals.close(g_metrics['g_loss'], expected['g_loss'])
  originals.check_gradient(d.opt_state, 'd', expected)
  originals.check_gradient(g.opt_state, 'g', expected)


def test_a_change_of_width_adds_one_linear_map():
  same = _count(_shapes(r3gan.Generator(16, 1, 8, **SMALL), jnp.zeros((3, 8)), LABELS))
  wide = {**SMALL, 'widths': (16, 16, 16)}
  assert same != _count(_shapes(r3gan.Generator(16, 1, 8, **wide), jnp.zeros((3, 8)), LABELS))
  params = _shapes(r3gan.Generator(16, 1, 8, **SMALL), jnp.zeros((3, 8)), LABELS)['params']
  assert params['stages']['change2']['kernel'].shape == (1, 1, 16, 8)
  assert 'change1' not in params['stages']


@pytest.mark.parametrize('size', [(16, 24), (32, 16)])
def test_images_need_not_be_square(size):
  images, _ = _init(r3gan.Generator(size, 3, 8, **SMALL), jnp.ones((3, 8)), LABELS)
  assert images.shape == (3, *size, 3)
  d = r3gan.Discriminator(size, 3, **SMALL)
  score = lambda x: d.init_with_output(jax.random.key(1), x, LABELS, train=False)[0].sum()
  assert (jax.jit(jax.grad(score))(images) != 0).any(axis=-1).all()


def test_a_longer_side_that_does_not_halve_is_refused():
  with pytest.raises(UserError, match=r'dataset.resolution=16, dataset.width=18: .*multiple of 4'):
    _shapes(r3gan.Generator((16, 18), 1, 8, **SMALL), jnp.zeros((3, 8)), LABELS)


def test_initial_weights_have_the_published_spread():
  module = r3gan.Discriminator(32, 3, num_classes=10, widths=(64,) * 4)
  params = jax.jit(
    lambda: module.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), LABELS[:1], train=False)
  )()['params']
  block = params['stages']['stage0_block0']
  gain = math.sqrt(2 / 1.04) * 8**-0.25
  np.testing.assert_allclose(np.std(block['widen']['kernel']), gain / 8, rtol=0.05)
  np.testing.assert_allclose(np.std(block['mix']['kernel']), gain / 12, rtol=0.05)
  assert np.abs(block['narrow']['kernel']).max() == 0
  embedding = params['Embed_0']['embedding']
  np.testing.assert_allclose(np.std(embedding), 1 / math.sqrt(10 * 64), rtol=0.1)


def test_the_basis_of_images_that_are_not_square_has_the_spread_of_its_pixels():
  """Its weighted sum keeps the variance: 4 by 16 pixels at the lowest stage."""
  module = r3gan.Discriminator((16, 64), 3, widths=(64, 8, 8), blocks=1, group_size=8)
  made = lambda: module.init(jax.random.key(0), jnp.zeros((1, 16, 64, 3)), LABELS[:1], train=False)
  basis = jax.jit(lambda: made()['params']['basis'])()
  assert basis.shape == (4, 16, 64)
  np.testing.assert_allclose(np.std(basis), 1 / 8, rtol=0.05)


def test_the_basis_that_images_begin_with_has_variance_one():
  module = r3gan.Generator(16, 3, 8, widths=(64, 8, 8), blocks=1, group_size=8)
  made = lambda: module.init(jax.random.key(0), jnp.zeros((1, 8)), LABELS[:1], train=False)
  basis = jax.jit(lambda: made()['params']['basis'])()
  assert basis.shape == (4, 4, 64)
  np.testing.assert_allclose(np.std(basis), 1, rtol=0.1)


def test_at_the_start_blocks_pass_their_input_so_logits_are_linear_in_the_image():
  module = r3gan.Discriminator(16, 1, **SMALL)
  x = jax.random.normal(jax.random.key(1), (3, 16, 16, 1))
  logits, variables = _init(module, x, LABELS)
  double = jax.jit(lambda x: module.apply(variables, x, LABELS, train=True))(2 * x)
  np.testing.assert_allclose(double, 2 * logits, rtol=1e-4, atol=1e-6)


def test_conditional_networks_tell_classes_apart():
  z = jnp.ones((3, 8))
  images, _ = _init(r3gan.Generator(16, 1, 8, num_classes=3, **SMALL), z, LABELS)
  assert images.shape == (3, 16, 16, 1)
  assert not np.allclose(images[0], images[1])
  logits, _ = _init(
    r3gan.Discriminator(16, 1, num_classes=3, **SMALL), images[:1].repeat(3, 0), LABELS
  )
  assert len(np.unique(logits)) == 3


@pytest.mark.parametrize(
  ('resolution', 'options', 'message'),
  [
    (32, SMALL, 'dataset.resolution=32: r3gan.widths names 3 stages.*16 pixels'),
    (8, {**SMALL, 'widths': (16, 8)}, 'at least 16'),
    (16, {**SMALL, 'group_size': 7}, 'r3gan.group_size=7 must divide'),
  ],
)
def test_sizes_that_do_not_fit_are_refused_by_their_key(resolution, options, message):
  with pytest.raises(UserError, match=message):
    _shapes(r3gan.Generator(resolution, 1, 8, **options), jnp.zeros((3, 8)), LABELS)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'group_size': 0}, 'group_size=0: must be positive'),
    ({'widths': (16, 0, 8)}, r'widths=\(16, 0, 8\): must be positive'),
    ({'blocks': -1}, 'blocks=-1: must be positive'),
  ],
)
def test_sizes_that_no_network_has_are_refused(change, message):
  with pytest.raises(UserError, match=message):
    _shapes(r3gan.Generator(16, 1, 8, **{**SMALL, **change}), jnp.zeros((3, 8)), LABELS)
  with pytest.raises(UserError, match=message):
    _shapes(r3gan.Discriminator(16, 1, **{**SMALL, **change}), jnp.zeros((3, 16, 16, 1)), LABELS)
