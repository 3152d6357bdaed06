"""Against the authors' and StudioGAN's BigGAN: `fixtures/make_biggan.py`; counts; pieces of z."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.models import biggan
from tests.models import drawn, originals

BATCH, CLASSES, SIDE = 4, 3, 32
LABELS = jnp.arange(BATCH) % CLASSES
FIXTURE = originals.load('biggan')
SHARED = {'shared_embedding': 6, 'hierarchical': True, 'attention': 16}
# Length of the latent, of the generator, of the discriminator.
CASES = {
  'authors': (8, {'shared_embedding': 0, 'hierarchical': False, 'spectral_epsilon': 1e-8}, {}),
  'authors_shared': (16, {**SHARED, 'spectral_epsilon': 1e-8}, {}),
  'studio': (16, {**SHARED, 'norm_epsilon': 1e-4}, {'attention': 16}),
}


def of_case(case):
  latent, of_g, of_d = CASES[case]
  generator = biggan.Generator(SIDE, 3, latent, CLASSES, width=4, **of_g)
  return generator, biggan.Discriminator(SIDE, 3, CLASSES, discriminator_width=8, **of_d)


@pytest.mark.parametrize('case', CASES)
def test_images_logits_and_gradients_are_those_of_the_original(case):
  expected = originals.part(FIXTURE, case)
  generator, network = of_case(case)
  latents = drawn.draw('latents', (BATCH, generator.latent_size))
  reals = np.tanh(drawn.draw('reals', (BATCH, SIDE, SIDE, 3)))
  g_variables = originals.variables(generator, 'g', latents, LABELS)
  d_variables = originals.variables(network, 'd', reals, LABELS)
  # Of a table there, u is of the classes; a singular vector is as good on either side.
  table = d_variables['params']['projection']['embedding']
  u = np.linalg.svd(table)[2][0]
  d_variables['spectral']['projection_spectral']['embedding'] = u

  def run(module, variables, params, x):
    state = {k: v for k, v in variables.items() if k != 'params'}
    return module.apply({'params': params, **state}, x, LABELS, train=True, mutable=list(state))[0]

  generate = lambda params: run(generator, g_variables, params, latents)
  judge = lambda params, x: run(network, d_variables, params, x)

  def d_loss(params, fakes):
    real, fake = judge(params, reals), judge(params, fakes)
    return jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean(), (real, fake)

  @jax.jit
  def everything(g_params, d_params):
    fakes, pull_back = jax.vjp(generate, g_params)
    of_d = jax.value_and_grad(d_loss, has_aux=True)(d_params, fakes)
    value, of_fakes = jax.value_and_grad(lambda x: -judge(d_params, x).mean())(fakes)
    return fakes, of_d, (value, *pull_back(of_fakes))

  fakes, ((d_value, logits), d_gradient), (g_value, g_gradient) = everything(
    g_variables['params'], d_variables['params']
  )
  originals.close(fakes, expected['fakes'])
  for found, name in zip(logits, ('real_logits', 'fake_logits'), strict=True):
    originals.close(found, expected[name])
  originals.close(d_value, expected['d_loss'])
  originals.close(g_value, expected['g_loss'])
  originals.check_gradient(d_gradient, 'd', expected)
  originals.check_gradient(g_gradient, 'g', expected)


@pytest.mark.parametrize(
  ('size', 'latent', 'classes', 'of_g', 'of_d', 'generator', 'discriminator'),
  [
    (
      32, 128, 10, {'shared_embedding': 0, 'hierarchical': False},
      {'discriminator_width': 128}, 4.30e6, 4.21e6,
    ),
    (
      32, 80, 10, {'width': 96, 'attention': 16},
      {'discriminator_width': 96, 'attention': 16}, 9.42e6, 2.42e6,
    ),
    (
      128, 120, 1000, {'width': 96, 'attention': 64},
      {'discriminator_width': 96, 'attention': 64}, 70.4e6, 88.0e6,
    ),
  ],
)  # fmt: skip
def test_there_are_as_many_weights_as_published(
  size, latent, classes, of_g, of_d, generator, discriminator
):
  def count(module, *args):
    run = lambda: module.init(jax.random.key(0), *args, LABELS[:1], train=False)['params']
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(jax.eval_shape(run)))

  made = biggan.Generator(size, 3, latent, classes, **of_g)
  assert count(made, jnp.zeros((1, latent))) == pytest.approx(generator, rel=3e-3)
  judge = biggan.Discriminator(size, 3, classes, **of_d)
  assert count(judge, jnp.zeros((1, size, size, 3))) == pytest.approx(discriminator, rel=3e-3)


@pytest.mark.parametrize(
  ('size', 'taken', 'given', 'judged'),
  [
    (64, [16, 16, 8, 4], [16, 8, 4, 2], [1, 2, 4, 8, 16]),
    (256, [16, 16, 8, 8, 4, 2], [16, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 16, 16]),
  ],
)
def test_blocks_are_as_wide_as_the_authors_have_them(size, taken, given, judged):
  """`G_arch` and `D_arch` of github.com/ajbrock/BigGAN-PyTorch, in units of their `ch`."""
  generator = biggan.Generator(size, 3, 8, width=8, hierarchical=False)
  network = biggan.Discriminator(size, 3, discriminator_width=8)

  def widths(module, conv, x):
    run = lambda: module.init(jax.random.key(0), x, LABELS[:1], train=False)['params']
    params = jax.eval_shape(run)
    count = sum(name.endswith(conv) for name in params)
    return [params[f'block{n}_{conv}']['kernel'].shape[2:] for n in range(count)]

  wide = lambda pairs: [(8 * a, 8 * b) for a, b in pairs]
  found = widths(generator, 'conv1', jnp.zeros((1, 8)))
  assert found == wide(zip(taken, given, strict=True))
  (image, first), *rest = widths(network, 'conv1', jnp.zeros((1, size, size, 3)))
  assert (image, first) == (3, 8 * judged[0])
  assert rest == wide(itertools.pairwise(judged))


@pytest.fixture(scope='module')
def hierarchical():
  generator = biggan.Generator(SIDE, 3, 16, CLASSES, width=2, shared_embedding=6, attention=16)
  latents = jax.random.normal(jax.random.key(0), (4, 16))
  make = lambda: generator.init(jax.random.key(1), latents, LABELS, train=False)
  return generator, jax.jit(make)(), latents


def test_a_piece_of_the_latent_reaches_its_block_and_no_other(hierarchical):
  generator, variables, latents = hierarchical

  _, pieces = generator._pieces(latents, 3)
  for number, piece in enumerate(pieces):
    np.testing.assert_array_equal(piece, latents[:, 4 * (number + 1) : 4 * (number + 2)])
  images = jax.jit(lambda z: generator.apply(variables, z, LABELS, train=False))
  for piece in range(4):
    other = latents.at[:, 4 * piece : 4 * (piece + 1)].add(1.0)
    assert np.abs(images(other) - images(latents)).max() > 1e-4


def test_attention_begins_as_what_does_nothing(hierarchical):
  generator, variables, latents = hierarchical
  assert not variables['params']['attention']['weight']
  plain = {k: v for k, v in variables['params'].items() if k != 'attention'}
  state = {**variables, 'params': plain}
  without = generator.clone(attention=0).apply(state, latents, LABELS, train=False)
  np.testing.assert_allclose(
    generator.apply(variables, latents, LABELS, train=False), without, atol=1e-6
  )


@pytest.mark.parametrize('size', [(32, 48), (64, 64), (256, 256)])
@pytest.mark.parametrize(('channels', 'classes'), [(1, 3), (4, 0)])
def test_every_size_makes_and_scores_its_images(size, channels, classes):
  blocks = {32: 3, 64: 4, 256: 6}[size[0]]
  generator = biggan.Generator(size, channels, 4 * (blocks + 1), classes, width=8, attention=16)
  network = biggan.Discriminator(size, channels, classes, discriminator_width=8, attention=16)

  def run():
    made, _ = generator.init_with_output(
      jax.random.key(0), jnp.zeros((2, generator.latent_size)), LABELS[:2], train=True
    )
    return made, network.init_with_output(jax.random.key(0), made, LABELS[:2], train=True)[0]

  made, logits = jax.eval_shape(run)
  assert made.shape == (2, *size, channels)
  assert logits.shape == (2,)


@pytest.mark.parametrize(
  ('latent', 'options', 'message'),
  [
    (16, {'resolution': 16}, 'biggan makes 32, 64, 128, 256 pixels'),
    (18, {}, r'config.model.latent_size=18: .* multiples of 4'),
    (16, {'attention': 32}, r'attention=32: accepted at 32 pixels: 0 \(none\), 8, 16'),
    (16, {'initial_weights': 'zero'}, 'accepted: orthogonal, normal'),
    (16, {'width': 0}, 'must be positive'),
  ],
)
def test_what_cannot_be_is_refused(latent, options, message):
  generator = biggan.Generator(**{'resolution': 32, **options}, channels=3, latent_size=latent)
  with pytest.raises(UserError, match=message):
    jax.eval_shape(
      lambda: generator.init(jax.random.key(0), jnp.zeros((1, latent)), LABELS[:1], train=False)
    )
