"""Against GAT's own code: `fixtures/make_gat.py`; counts; levels; CAT's way to judge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import traverse_util

from gan_jax.errors import UserError
from gan_jax.models import gat, transformer
from gan_jax.training.augment import level_noise
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.losses import relativistic
from tests.models import drawn, originals

SIDE, LATENT, WIDTH, DEPTH, HEADS, BATCH, CLASSES, LABEL = 8, 6, 16, 4, 2, 4, 3, 10
GAMMA, SIGMA = 0.1, 0.01
LABELS = jnp.arange(BATCH) % CLASSES
FIXTURE = originals.load('gat')
SIZES = {'depth': DEPTH, 'width': WIDTH, 'heads': HEADS}
SHAPE = (BATCH, SIDE, SIDE, 3)
HALF = jnp.full(BATCH, 0.5)


def players(size=SIDE, channels=3, classes=CLASSES, **options):
  of_d = {k: options.pop(k) for k in ('scale_wise',) if k in options}
  generator = gat.Generator(size, channels, LATENT, classes, **{**SIZES, **options})
  return generator, gat.Discriminator(
    size, channels, classes, label_size=LABEL, **{**SIZES, **options, **of_d}
  )


def noisy(levels, name):
  """Levels with the noise of a name in the place of what is drawn, in the chain of the paper."""
  shares = level_noise.shares(4, level_noise.Settings())
  noise, before, found = jnp.zeros(SHAPE), 0.0, []
  for k, (share, x) in enumerate(zip(shares[::-1], levels[::-1], strict=True)):
    fading = (1 - share) / (1 - before)
    deviation = np.sqrt(share**2 - (before * fading) ** 2)
    noise = fading * noise + deviation * drawn.draw(f'{name}{k}', SHAPE)
    found.append((1 - share) * x + noise)
    before = share
  return tuple(found[::-1])


def test_players_losses_and_penalties_are_those_of_the_original():
  generator, network = players()
  latents = drawn.draw('latents', (BATCH, LATENT))
  reals = (jnp.asarray(np.tanh(drawn.draw('reals', SHAPE))),) * 4
  g_variables = originals.variables(generator, 'g', latents, LABELS)
  g_variables['averages'] = {'w': jnp.zeros((CLASSES, WIDTH))}
  d_params = originals.variables(network, 'd', reals, LABELS)['params']
  judge = lambda params, images: network.apply({'params': params}, images, LABELS, train=True)

  def run(params):
    variables = {**g_variables, 'params': params}
    return generator.apply(variables, latents, LABELS, train=True, mutable=['averages'])

  def d_loss(params, levels):
    real = judge(params, noisy(reals, 'real_noise'))
    fake = judge(params, noisy(levels, 'fake_noise'))
    step = SIGMA * drawn.draw('step0', SHAPE)
    moved = judge(params, noisy(tuple(x + step for x in reals), 'real_noise'))
    steps = [SIGMA * drawn.draw(f'steps{3 - k}', SHAPE) for k in range(4)]
    others = tuple(x + s for x, s in zip(levels, steps, strict=True))
    moved_fake = judge(params, noisy(others, 'fake_noise'))
    penalty = jnp.square((real - moved) / SIGMA) + jnp.square((fake - moved_fake) / SIGMA)
    value = relativistic.d_loss(real, fake) + GAMMA / 2 * penalty
    return value.mean(), (real, fake)

  def g_loss(params, d_params):
    levels, moved = run(params)
    real = judge(d_params, noisy(reals, 'real_noise'))
    fake = judge(d_params, noisy(levels, 'fake_noise'))
    return relativistic.g_loss(real, fake).mean(), (levels, moved)

  @jax.jit
  def everything(g_params, d_params):
    of_g = jax.value_and_grad(g_loss, has_aux=True)(g_params, d_params)
    levels = of_g[0][1][0]
    return of_g, jax.value_and_grad(d_loss, has_aux=True)(d_params, levels)

  of_g, of_d = everything(g_variables['params'], d_params)
  (g_value, (levels, moved)), g_gradient = of_g
  (d_value, (real, fake)), d_gradient = of_d
  for k in range(4):
    originals.close(levels[k], FIXTURE[f'level{k}'])
    originals.close(noisy(reals, 'real_noise')[k], FIXTURE[f'real_noisy{k}'])
    originals.close(noisy(levels, 'fake_noise')[k], FIXTURE[f'fake_noisy{k}'])
  originals.close(moved['averages']['w'], FIXTURE['average'])
  truncated = jax.jit(lambda v: generator.apply(v, latents, LABELS, HALF, method='truncated'))
  originals.close(truncated({**g_variables, **moved}), FIXTURE['truncated'])
  originals.close(real, FIXTURE['real_logits'])
  originals.close(fake, FIXTURE['fake_logits'])
  originals.close(d_value, FIXTURE['d_loss'])
  originals.close(g_value, FIXTURE['g_loss'])
  originals.check_gradient(g_gradient, 'g', FIXTURE)
  originals.check_gradient(d_gradient, 'd', FIXTURE, tolerance=2e-3)  # of differences over 0.01


@pytest.mark.parametrize(
  ('depth', 'width', 'heads', 'generator', 'discriminator'),
  [
    (12, 384, 6, 29.3e6, 32.6e6),
    (12, 768, 12, 116.6e6, 97.1e6),
    (24, 1024, 16, 408.5e6, 314.9e6),
    (28, 1152, 16, 602.0e6, 459.3e6),
  ],
)
def test_there_are_as_many_weights_as_published(depth, width, heads, generator, discriminator):
  def count(module, *args):
    run = lambda: module.init(jax.random.key(0), *args, LABELS[:1], train=False)['params']
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(jax.eval_shape(run)))

  sizes = {'depth': depth, 'width': width, 'heads': heads}
  made = gat.Generator((32, 32), 4, 64, 1000, **sizes)
  assert count(made, jnp.zeros((1, 64))) == pytest.approx(generator, rel=2e-3)
  judge = gat.Discriminator((32, 32), 4, 1000, **sizes)
  assert count(judge, jnp.zeros((1, 32, 32, 4))) == pytest.approx(discriminator, rel=2e-3)


def test_unless_asked_both_are_of_the_size_s_with_patches_of_2_pixels():
  sizes = {'depth': 12, 'width': 384, 'heads': 6, 'patch': 2}
  assert gat.Generator(32, 4, 64, 10) == gat.Generator(32, 4, 64, 10, **sizes)
  assert gat.Discriminator(32, 4, 10) == gat.Discriminator(32, 4, 10, **sizes)


def test_weights_begin_as_those_of_the_original():
  """Xavier's, what modulates at a tenth of it; the discriminator's layers add a tenth at first."""
  turned, x, w = transformer.rotations((2, 2), WIDTH // HEADS), jnp.zeros((1, 4, WIDTH)), jnp.zeros
  block, own = gat._Modulated(HEADS, turned, jnp.float32), gat._Block(HEADS, turned, jnp.float32)
  inputs = [(block, x, w((1, WIDTH))), (gat._Head(12), x, w((1, WIDTH))), (own, x)]
  inputs.append((transformer.Dense(WIDTH, rate=0.01), x))
  init = lambda: [module.init(jax.random.key(0), *at)['params'] for module, *at in inputs]
  for place, params in enumerate(jax.jit(init)()):
    for name, value in traverse_util.flatten_dict(params, sep='/').items():
      kind = name.rsplit('/', 1)[-1]
      if kind == 'kernel':
        gain = 0.1 if name == 'modulation/kernel' else 100 if place == 3 else 1
        bound = gain * np.sqrt(6 / sum(value.shape))
        assert 0.9 * bound < np.abs(value).max() <= 1.0001 * bound, name
      else:
        first = {'bias': 0, 'scale': 1}.get(kind, 0.1)
        np.testing.assert_array_equal(value, np.float32(first), name)


def test_a_level_is_added_after_each_quarter_of_the_blocks():
  generator, _ = players(depth=8)
  called = []

  def note(run, args, kwargs, context):
    if isinstance(context.module, gat._Modulated | gat._Head) and context.method_name == '__call__':
      called.append(context.module.name)
    return run(*args, **kwargs)

  with nn.intercept_methods(note):
    jax.eval_shape(
      lambda: generator.init(jax.random.key(0), jnp.zeros((1, LATENT)), LABELS[:1], train=False)
    )
  quarters = [called[start : start + 3] for start in range(0, len(called), 3)]
  assert quarters == [[f'blocks_{2 * k}', f'blocks_{2 * k + 1}', f'levels_{k}'] for k in range(4)]


@pytest.mark.parametrize('remat', [False, True])
def test_activations_are_computed_again_only_where_that_is_asked(remat):
  generator, network = players(remat=remat)
  runs = (
    lambda: generator.init(jax.random.key(0), jnp.zeros((1, LATENT)), LABELS[:1], train=False),
    lambda: network.init(jax.random.key(0), jnp.zeros(SHAPE), LABELS, train=False),
  )
  found = [str(jax.make_jaxpr(run)()).count('remat') for run in runs]
  assert found == [DEPTH, DEPTH] if remat else found == [0, 0]


def test_a_turn_keeps_lengths_and_depends_on_the_way_between_two_places_alone():
  turned = transformer.rotations((5, 6), 8)
  x = jax.random.normal(jax.random.key(0), (1, 1, 30, 8))
  found = transformer.rotate(x, turned)
  np.testing.assert_allclose(
    jnp.linalg.norm(found, axis=-1), jnp.linalg.norm(x, axis=-1), rtol=1e-5
  )
  same = jnp.broadcast_to(x[:, :, :1], x.shape)
  products = jnp.einsum('bhqc,bhkc->qk', *[transformer.rotate(same, turned)] * 2)
  grid = np.asarray(products).reshape(5, 6, 5, 6)
  np.testing.assert_allclose(grid[0, 0, 1, 2], grid[3, 1, 4, 3], rtol=1e-4)
  assert abs(grid[0, 0, 1, 2] - grid[0, 0, 2, 1]) > 1e-3
  with_token = jnp.concatenate([x[:, :, :1], x], axis=2)
  np.testing.assert_array_equal(transformer.rotate(with_token, turned)[:, :, :1], x[:, :, :1])


def test_levels_are_a_chain_of_noise_of_the_shares_that_the_paper_names():
  settings = level_noise.Settings()
  shares = level_noise.shares(4, settings)
  np.testing.assert_allclose(shares, [0.885, 0.76, 0.51, 0.01], atol=1e-3)
  keys = jax.random.split(jax.random.key(0), 64)
  images = (jnp.ones((64, 16, 16, 2)),) * 4
  noisy = Augmentation(((level_noise, settings),))  # which hands all levels over at once
  run = jax.jit(lambda strength: noisy(keys, images, strength))
  levels = run(jnp.float32(1))
  for level, share in zip(levels, shares, strict=True):
    rest = np.asarray(level) - (1 - share)
    np.testing.assert_allclose(rest.std(), share, rtol=0.02)
    assert abs(rest.mean()) < 5 * share / np.sqrt(rest.size)
  # Of one chain: a level's noise is the next one's, faded, and some more.
  for k in range(3):
    fading = (1 - shares[k]) / (1 - shares[k + 1])
    of_next = np.asarray(levels[k + 1]) - (1 - shares[k + 1])
    more = np.asarray(levels[k]) - (1 - shares[k]) - fading * of_next
    assert abs(np.corrcoef(more.ravel(), of_next.ravel())[0, 1]) < 0.03
  half = run(jnp.float32(0.5))
  touched = np.asarray([np.abs(x - 1).max(axis=(1, 2, 3)) > 0 for x in half])
  assert (touched == touched[:1]).all()
  assert 15 < touched[0].sum() < 49
  jax.tree.map(np.testing.assert_array_equal, run(jnp.float32(0)), images)


@pytest.mark.parametrize(('classes', 'scale_wise'), [(3, False), (0, True)])
def test_scales_are_judged_apart_where_that_is_asked(classes, scale_wise):
  _, network = players(classes=classes, scale_wise=scale_wise)
  levels = tuple(jnp.asarray(np.tanh(drawn.draw(f'level{k}', SHAPE))) for k in range(4))
  params = originals.variables(network, 'd', levels, LABELS)
  judge = jax.jit(lambda levels: network.apply(params, levels, LABELS, train=True))
  logits = judge(levels)
  other = judge((levels[0] + 1, *levels[1:]))
  assert logits.shape == ((BATCH, 4) if scale_wise else (BATCH,))
  if scale_wise:
    np.testing.assert_allclose(other[:, 1:], logits[:, 1:], atol=1e-4)
    assert (np.abs(other - logits)[:, 0] > 1e-4).all()
  else:
    assert (np.abs(other - logits) > 1e-6).all()


@pytest.mark.parametrize(('size', 'channels'), [((8, 8), 1), ((8, 16), 4)])
@pytest.mark.parametrize('options', [{}, {'bfloat16': True}, {'remat': True}])
def test_every_size_and_precision_makes_and_scores_its_images(size, channels, options):
  generator, network = players(size, channels, **options)
  plain = generator.clone(bfloat16=False, remat=False)
  latents, labels = drawn.draw('latents', (2, LATENT)), LABELS[:2]
  shape = (2, *size, channels)
  of_g = originals.variables(generator, 'g', latents, labels)
  of_d = originals.variables(network, 'd', (jnp.zeros(shape),) * 4, labels)

  @jax.jit
  def run(of_g, of_d):
    image = generator.apply(of_g, latents, labels, train=False)
    whole = plain.apply(of_g, latents, labels, train=False)
    levels, _ = generator.apply(of_g, latents, labels, train=True, mutable=['averages'])
    return image, whole, levels, network.apply(of_d, levels, labels, train=True)

  image, whole, levels, logits = run(of_g, of_d)
  assert [x.shape for x in levels] == [shape] * 4
  np.testing.assert_allclose(levels[-1], image, atol=1e-5)
  tolerance = 0.05 if options.get('bfloat16') else 1e-5
  np.testing.assert_allclose(image, whole, atol=tolerance * float(jnp.abs(whole).max()))
  assert not options.get('bfloat16') or np.abs(image - whole).max() > 0
  assert (logits.shape, logits.dtype) == ((2,), jnp.float32)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'depth': 6}, 'multiples of 4'),
    ({'width': 20}, 'accepted with heads=2: multiples of 8'),
    ({'patch': 3}, 'accepted: what divides 8 and 8 pixels'),
    ({'heads': 0}, 'must be positive'),
  ],
)
def test_what_cannot_be_is_refused(options, message):
  generator, network = players(**options)
  for run in (
    lambda: generator.init(jax.random.key(0), jnp.zeros((1, LATENT)), LABELS[:1], train=False),
    lambda: network.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), LABELS[:1], train=False),
  ):
    with pytest.raises(UserError, match=message):
      jax.eval_shape(run)
