"""Against StyleGAN2-ADA's own code: `fixtures/make_stylegan2.py`; counts; what styles do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from gan_jax.errors import UserError
from gan_jax.models import equalised, layers, noise, stylegan2
from tests.models import drawn, originals

SIDE, LATENT, W, BATCH, CLASSES, BASE, MOST = 16, 8, 12, 4, 3, 128, 16
LABELS = jnp.arange(BATCH) % CLASSES
FIXTURE = originals.load('stylegan2')
SIZES = {'channel_base': BASE, 'channel_max': MOST}
CASES = {
  'unconditional': ('skip', 'residual', 0),
  'conditional': ('residual', 'skip', CLASSES),
  'plain': ('plain', 'plain', 0),
}


def generator_of(size=SIDE, channels=3, classes=0, **options):
  return stylegan2.Generator(
    size, channels, LATENT, classes, w_size=W, mapping_layers=2, **{**SIZES, **options}
  )


def discriminator_of(size=SIDE, channels=3, classes=0, **options):
  return stylegan2.Discriminator(size, channels, classes, **{**SIZES, **options})


@pytest.mark.parametrize('case', CASES)
def test_players_losses_and_penalties_are_those_of_the_original(case, monkeypatch):
  expected = originals.part(FIXTURE, case)
  monkeypatch.setattr(
    noise, 'planes', lambda keys, number, shape: drawn.draw(f'noise{number}', (1, *shape, 1))
  )
  of_g, of_d, classes = CASES[case]
  generator = generator_of(classes=classes, generator_architecture=of_g, style_mixing=0.0)
  network = discriminator_of(classes=classes, discriminator_architecture=of_d, deviation_group=2)
  latents = drawn.draw('latents', (BATCH, LATENT))
  reals = np.tanh(drawn.draw('reals', (BATCH, SIDE, SIDE, 3)))
  g_variables = originals.variables(generator, 'g', latents, LABELS)
  g_variables['averages'] = {'w': jnp.zeros(W)}
  d_params = originals.variables(network, 'd', reals, LABELS)['params']
  judge = lambda params, images: network.apply({'params': params}, images, LABELS, train=True)
  softplus = jax.nn.softplus

  def run(params, *args, **how):
    variables = {**g_variables, 'params': params}
    return generator.apply(variables, *args, train=True, mutable=['averages'], **how)

  def d_loss(params, fakes):
    real, fake = judge(params, reals), judge(params, fakes)
    slope = jax.grad(lambda images: judge(params, images).sum())(reals)
    penalty = jnp.square(slope).sum(axis=(1, 2, 3))
    return (softplus(fake) + softplus(-real) + 5 * penalty).mean(), (real, fake)

  def g_loss(params, d_params):
    w, moved = run(params, latents, LABELS, method='mapping')
    images_of = lambda w: run(params, w, LABELS, method='synthesis')[0]
    fakes = images_of(w)
    towards = drawn.draw('towards', (BATCH, SIDE, SIDE, 3)) / SIDE
    by_w = jax.grad(lambda w: (images_of(w) * towards).sum())(w)
    lengths = jnp.sqrt(jnp.square(by_w).sum(axis=2).mean(axis=1))
    mean = 0.01 * jax.lax.stop_gradient(lengths.mean())
    value = softplus(-judge(d_params, fakes)).mean() + 2 * jnp.square(lengths - mean).mean()
    return value, (fakes, w, moved, lengths)

  @jax.jit
  def everything(g_params, d_params):
    of_g = jax.value_and_grad(g_loss, has_aux=True)(g_params, d_params)
    fakes = run(g_params, latents, LABELS)[0]
    return of_g, jax.value_and_grad(d_loss, has_aux=True)(d_params, fakes), fakes

  of_g, of_d, whole = everything(g_variables['params'], d_params)
  (g_value, (fakes, w, moved, lengths)), g_gradient = of_g
  (d_value, (real, fake)), d_gradient = of_d
  originals.close(fakes, expected['fakes'])
  originals.close(whole, expected['fakes'])
  originals.close(w[:, 0], expected['w'])
  originals.close(moved['averages']['w'], expected['average'])
  halfway = generator.apply(
    {**g_variables, **moved}, latents, LABELS, jnp.full(BATCH, 0.5), method='truncated'
  )
  originals.close(halfway, expected['truncated'])
  originals.close(real, expected['real_logits'])
  originals.close(fake, expected['fake_logits'])
  originals.close(lengths, expected['lengths'])
  originals.close(g_value, expected['g_loss'])
  originals.close(d_value, expected['d_loss'])
  originals.check_gradient(g_gradient, 'g', expected)
  originals.check_gradient(d_gradient, 'd', expected)


@pytest.mark.parametrize(
  ('size', 'base', 'generator', 'discriminator'),
  [(1024, 32768, 30_370_060, 29_012_513), (256, 16384, 24_767_458, 24_001_089)],
)
def test_there_are_as_many_weights_as_published(size, base, generator, discriminator):
  count = lambda module, *args: sum(
    int(np.prod(leaf.shape))
    for leaf in jax.tree.leaves(
      jax.eval_shape(lambda: module.init(jax.random.key(0), *args, train=False))['params']
    )
  )
  made = stylegan2.Generator(size, 3, 512, channel_base=base)
  # Its noise has no weights but a number a layer; constants of noise are no parameters there.
  assert count(made, jnp.zeros((1, 512)), LABELS[:1]) == generator
  judge = stylegan2.Discriminator(size, 3, channel_base=base)
  assert count(judge, jnp.zeros((1, size, size, 3)), LABELS[:1]) == discriminator


@pytest.fixture(scope='module')
def small():
  generator = generator_of(style_mixing=0.5)
  latents = jax.random.normal(jax.random.key(0), (400, LATENT))
  labels = jnp.zeros(400, int)
  variables = jax.jit(
    lambda: generator.init(jax.random.key(1), latents[:1], labels[:1], train=False)
  )
  return generator, variables(), latents, labels


def test_weights_begin_as_those_of_the_paper(small):
  """N(0, 1), of the mapping a hundred times that; styles at 1, other biases and noise at 0."""
  _, variables, *_ = small
  conv = equalised.Conv(16, 3)
  own = jax.jit(lambda: conv.init(jax.random.key(0), jnp.zeros((1, 4, 4, 16))))()
  params = {**variables['params'], 'own': own['params']}
  for name, value in traverse_util.flatten_dict(params, sep='/').items():
    kind = name.rsplit('/', 1)[-1]
    if kind in ('kernel', 'constant'):
      deviation = 100 if name.startswith('to_w/layer') else 1
      room = 4.5 / np.sqrt(2 * value.size)
      assert np.sqrt(np.mean(np.square(value))) == pytest.approx(deviation, rel=room), name
    else:
      np.testing.assert_array_equal(value, np.float32(name.endswith('style/bias')), name)


def test_styles_are_mixed_for_as_many_images_as_asked_from_any_layer_on(small):
  generator, variables, latents, labels = small
  run = jax.jit(
    lambda train: generator.apply(variables, latents, labels, train=train, method='mapping'),
    static_argnums=0,
  )
  mixed, plain = np.asarray(run(True)), np.asarray(run(False))
  np.testing.assert_array_equal(plain, np.repeat(plain[:, :1], plain.shape[1], axis=1))
  same = np.isclose(mixed, plain, atol=1e-6).all(axis=2)  # [B, layers]
  layers = same.shape[1]
  assert same[:, 0].all()
  # The first layers are of one latent, all others of one other.
  first = same.sum(axis=1)
  assert (np.arange(layers) < first[:, None])[~same.all(axis=1)].sum() == same[
    ~same.all(axis=1)
  ].sum()
  share = (first < layers).mean()
  assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(400)
  counts = np.bincount(first[first < layers], minlength=layers)[1:]
  assert (counts > 0.4 * counts.mean()).all()


def test_an_image_is_of_its_latent_and_with_fixed_noise_of_its_w_alone(small):
  generator, variables, latents, labels = small
  # Noise has no weight at first.
  params = jax.tree_util.tree_map_with_path(
    lambda path, x: jnp.ones(()) if path[-1].key == 'strength' else x, variables
  )
  draw = lambda network: jax.jit(lambda z: network.apply(params, z, labels[: len(z)], train=False))
  run = draw(generator)
  np.testing.assert_allclose(run(latents[:4])[1], run(latents[1:5])[0], atol=1e-4)
  other = latents[:4] * 2  # of the same w: latents are brought to one length
  assert np.abs(run(latents[:4]) - run(other)).max() > 0.1
  still = draw(generator.clone(fixed_noise=True))
  np.testing.assert_allclose(still(latents[:4]), still(other), atol=1e-4)


def test_truncated_to_nothing_all_images_are_of_the_average(small):
  generator, variables, latents, labels = small
  run = jax.jit(
    lambda share: generator.apply(variables, latents[:3], labels[:3], share, method='truncated')
  )
  none, whole = run(jnp.zeros(3)), run(jnp.ones(3))
  np.testing.assert_allclose(none[0], none[1], atol=1e-5)
  whole_again = generator.apply(variables, latents[:3], labels[:3], train=False)
  np.testing.assert_allclose(whole, whole_again, atol=1e-4)


def test_groups_of_the_deviation_are_of_one_part_and_however_a_batch_is_divided():
  x = jax.random.normal(jax.random.key(0), (8, 4, 4, 3))
  found = layers.with_deviation(x, 4, 2)[..., -1]
  halves = [layers.with_deviation(x[i : i + 4], 4, 1)[..., -1] for i in (0, 4)]
  np.testing.assert_allclose(found, jnp.concatenate(halves), rtol=1e-6)
  expected = np.asarray(x[:4]).std(axis=0).mean()
  np.testing.assert_allclose(found[:4], np.full((4, 4, 4), expected), rtol=1e-4)


def test_a_logit_is_the_product_with_the_class_by_the_root_of_its_length_at_any_width():
  sizes = {'channel_base': 64, 'channel_max': 64}  # no width is at its bound
  network = discriminator_of(8, classes=CLASSES, discriminator_architecture='skip', **sizes)
  x = drawn.draw('reals', (BATCH, 8, 8, 3))

  @jax.jit
  def run():
    variables = network.init(jax.random.key(0), x, LABELS, train=False)
    return network.apply(variables, x, LABELS, train=False, capture_intermediates=True)

  logits, kept = run()
  features, classes = (kept['intermediates'][each]['__call__'][0] for each in ('logit', 'mapping'))
  assert classes.shape == (BATCH, 64 // 4)
  np.testing.assert_allclose(logits, (features * classes).sum(axis=1) / 4, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('size', [(8, 8), (16, 24), (64, 32)])
@pytest.mark.parametrize('channels', [1, 4])
def test_every_size_makes_and_scores_its_images(size, channels):
  generator, network = generator_of(size, channels), discriminator_of(size, channels)

  def run():
    made, _ = generator.init_with_output(
      jax.random.key(0), jnp.zeros((2, LATENT)), LABELS[:2], train=True
    )
    return made, network.init_with_output(jax.random.key(0), made, LABELS[:2], train=True)[0]

  made, logits = jax.eval_shape(run)
  assert made.shape == (2, *size, channels)
  assert logits.shape == (2,)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'size': 48}, 'powers of two from 8'),
    ({'size': (16, 18)}, 'a multiple of 4'),
    ({'generator_architecture': 'resnet'}, 'accepted: skip, residual, plain'),
    ({'style_mixing': 2.0}, 'accepted: 0 to 1'),
    ({'channel_base': 0}, 'must be positive'),
  ],
)
def test_what_cannot_be_is_refused(options, message):
  generator = generator_of(**options)
  with pytest.raises(UserError, match=message):
    jax.eval_shape(
      lambda: generator.init(jax.random.key(0), jnp.zeros((1, LATENT)), LABELS[:1], train=False)
    )
