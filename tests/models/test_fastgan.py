"""Against FastGAN's and Projected GAN's own code: `fixtures/make_fastgan.py`; sizes; parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from gan_jax.errors import UserError
from gan_jax.models import fastgan, noise
from gan_jax.training.losses import soft_hinge
from tests.models import drawn, originals

WIDTH, LATENT, BATCH, SIDE, CLASSES = 8, 16, 4, 256, 3
LABELS = jnp.arange(BATCH) % CLASSES
FIXTURE = originals.load('fastgan')


@pytest.fixture
def drawn_noise(monkeypatch):
  def planes(keys, number, shape):
    del keys
    return drawn.draw(f'noise{number}', (BATCH, 1, *shape)).transpose(0, 2, 3, 1)

  monkeypatch.setattr(noise, 'planes', planes)


def runner(network, variables):
  state = {k: v for k, v in variables.items() if k != 'params'}

  def run(params, x, labels=LABELS):
    return network.apply({'params': params, **state}, x, labels, train=True, mutable=list(state))[0]

  return run


def test_both_players_are_those_of_the_original(drawn_noise):
  expected = originals.part(FIXTURE, 'published')
  generator = fastgan.Generator(SIDE, 3, LATENT, width=WIDTH)
  latents = drawn.draw('latents', (BATCH, LATENT))
  g_variables = originals.in_float64(originals.variables(generator, 'g', latents, LABELS))
  generate = runner(generator, g_variables)
  reals = np.tanh(drawn.draw('reals', (BATCH, SIDE, SIDE, 3)))
  reals += expected['shift'][:, None, None, None]
  network = fastgan.Discriminator(SIDE, 3, width=WIDTH)
  pair = network.present(jnp.asarray(reals))
  d_variables = originals.in_float64(originals.variables(network, 'd', pair, LABELS))
  judge = runner(network, d_variables)
  both = runner(network.for_parts(2), d_variables)
  latents, pair = originals.in_float64((latents, pair))  # kernels take the type of what enters

  def d_loss(params, fakes):
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), pair, fakes)
    found = both(params, joined, jnp.tile(LABELS, 2))
    real, fake = jnp.split(found['logits'], 2)
    decoded, nothing = jnp.split(found['reconstruction'], 2)
    value = soft_hinge.d_loss(real, fake).mean() + decoded.mean()
    return value, (real, fake, nothing)

  def g_loss(fakes, d_params):
    return -judge(d_params, fakes)['logits'].mean()

  @jax.jit
  def everything(g_params, d_params):
    fakes, pull_back = jax.vjp(lambda params: generate(params, latents), g_params)
    of_d = jax.value_and_grad(d_loss, has_aux=True)(d_params, fakes)
    value, of_fakes = jax.value_and_grad(g_loss)(fakes, d_params)
    return fakes, of_d, (value, *pull_back(of_fakes))

  with jax.enable_x64(True):
    fakes, of_d, of_g = everything(g_variables['params'], d_variables['params'])
  originals.close(fakes['image'][:, ::8, ::8], expected['fakes'])
  originals.close(fakes['small'][:, ::8, ::8], expected['small'])
  (value, (real, fake, nothing)), d_gradient = of_d
  # There, logits are flat: all places of all images of the first branch, then of the second.
  for found, name in ((real, 'real_logits'), (fake, 'fake_logits')):
    branches = [part.reshape(-1) for part in jnp.split(found, 2, axis=1)]
    originals.close(jnp.concatenate(branches), expected[name])
  originals.close(value, expected['d_loss'])
  assert not nothing.any()
  originals.check_gradient(d_gradient, 'd', expected)
  originals.close(of_g[0], expected['g_loss'])
  originals.check_gradient(of_g[1], 'g', expected)


@pytest.mark.parametrize('case', ['two', 'one', 'conditional'])
def test_the_generator_of_projected_gans_is_that_of_the_original(case, drawn_noise):
  expected = originals.part(FIXTURE, case)
  generator = fastgan.Generator(
    SIDE, 3, LATENT, CLASSES if case == 'conditional' else 0, width=WIDTH, small_image=False,
    normalised_latent=True, image_bias=True, blocks='two' if case == 'two' else 'one',
  )  # fmt: skip
  latents = drawn.draw('latents', (BATCH, LATENT))
  variables = originals.variables(generator, 'g', latents, LABELS)
  slope = drawn.draw('slope', (BATCH, SIDE, SIDE, 3))
  generate = runner(generator, variables)

  def value(params):
    fakes = generate(params, latents)
    return (fakes * slope).mean(), fakes

  gradient, fakes = jax.jit(jax.grad(value, has_aux=True))(variables['params'])
  originals.close(fakes[:, ::8, ::8], expected['fakes'])
  originals.check_gradient(gradient, 'g', expected)


def test_there_are_as_many_weights_as_published():
  generator = fastgan.Generator(256, 3, 256)
  shapes = jax.eval_shape(
    lambda: generator.init(jax.random.key(0), jnp.zeros((1, 256)), LABELS[:1], train=False)
  )
  count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes['params']))
  assert count == pytest.approx(29.1e6, rel=3e-3)


@pytest.mark.parametrize('size', [(32, 48), (64, 64), (128, 128), (512, 512), (1024, 1024)])
@pytest.mark.parametrize('channels', [1, 4])
def test_every_size_makes_and_scores_its_images(size, channels):
  generator = fastgan.Generator(size, channels, 8, width=8)
  network = fastgan.Discriminator(size, channels, width=8)

  def run(train):
    made, _ = generator.init_with_output(
      jax.random.key(0), jnp.zeros((2, 8)), LABELS[:2], train=train
    )
    return made, network.init_with_output(jax.random.key(0), made, LABELS[:2], train=train)

  for train in (False, True):
    made, (judged, variables) = jax.eval_shape(lambda train=train: run(train))
    image = made['image'] if isinstance(made, dict) else made
    assert isinstance(made, dict) == (train and min(size) >= 256)
    assert image.shape == (2, *size, channels)
    assert judged['logits'].shape[0] == 2
    assert judged['reconstruction'].shape == (2,)
    names = traverse_util.flatten_dict(variables['params'], sep='/')
    assert any(name.startswith('decoder_small') for name in names) == (min(size) >= 256)


@pytest.mark.parametrize('classes', [0, CLASSES])
def test_styled_latents_scale_the_features_of_every_resolution(classes):
  make = lambda styled: fastgan.Generator(
    (32, 32), 3, LATENT, classes, width=4, blocks='one', small_image=False, styled=styled
  )
  latents = jnp.asarray(drawn.draw('latents', (2, LATENT)))
  shapes = lambda network: {
    name: leaf.shape
    for name, leaf in traverse_util.flatten_dict(
      jax.eval_shape(lambda: network.init(jax.random.key(0), latents, LABELS[:2], train=False))[
        'params'
      ],
      sep='/',
    ).items()
    if name.endswith('scale/kernel')
  }
  inputs = LATENT + (LATENT if classes else 0)  # classes are embedded as wide as latents
  found = shapes(make(True))
  assert {shape[0] for shape in found.values()} == {inputs}
  assert sorted(name.split('_')[0] for name in found) == ['norm16', 'norm32', 'norm8']
  assert {shape[0] for shape in shapes(make(False)).values()} == ({LATENT} if classes else set())
  variables = make(True).init(jax.random.key(0), latents, LABELS[:2], train=False)
  # Without what goes in at the stem, the two images differ by their styles alone.
  cut = traverse_util.flatten_dict(variables['params'], sep='/')
  cut = {k: jnp.zeros_like(v) if k.startswith('stem/') else v for k, v in cut.items()}
  biased = {k: v + 0.5 if k.startswith('stem_norm') else v for k, v in cut.items()}
  params = traverse_util.unflatten_dict(biased, sep='/')
  drawn_by = make(True).clone(fixed_noise=True)
  images = drawn_by.apply({**variables, 'params': params}, latents, LABELS[:1].repeat(2), False)
  assert np.abs(images[0] - images[1]).max() > 1e-4


def test_what_cannot_be_is_refused():
  for options, message in (
    ({'resolution': 48}, 'fastgan makes 32, 64, 128, 256, 512, 1024 pixels'),
    ({'resolution': (32, 44)}, 'a multiple of 8'),
    ({'resolution': 64, 'blocks': 'three'}, 'accepted: alternating, two, one'),
    ({'resolution': 64, 'width': 0}, 'must be positive'),
  ):
    generator = fastgan.Generator(channels=3, latent_size=8, **options)
    with pytest.raises(UserError, match=message):
      jax.eval_shape(
        lambda g=generator: g.init(jax.random.key(0), jnp.zeros((1, 8)), LABELS[:1], train=False)
      )
