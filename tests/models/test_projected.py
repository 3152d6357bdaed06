"""Against Projected GAN's own code: `fixtures/make_projected.py`; what is fixed; what enters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.models import projected
from gan_jax.pretrained import efficientnet_lite
from tests.models import drawn, originals

FIXTURE = originals.load('projected')
CHANNELS, SIDE, CLASSES = (24, 40, 112, 320), 128, 1000
LABELS = jnp.arange(2)


def given(*halves):
  """The maps in the place of what the network makes of images."""
  return [
    jnp.concatenate(
      [drawn.draw(f'{half}{k}', (2, SIDE >> (k + 2), SIDE >> (k + 2), c)) for half in halves]
    )
    for k, c in enumerate(CHANNELS)
  ]


@pytest.fixture(params=['plain', 'separable', 'conditional'])
def case(request):
  return request.param


def test_logits_and_gradients_are_those_of_the_original(case, monkeypatch):
  classes = CLASSES if case == 'conditional' else 0
  network = projected.Discriminator(
    SIDE, 3, classes, side=SIDE, separable=case == 'separable', batch_parts=2
  )
  monkeypatch.setattr(efficientnet_lite, 'taps', lambda *_: given('real', 'fake'))
  images, labels = jnp.zeros((4, SIDE, SIDE, 3)), jnp.tile(LABELS, 2)
  variables = originals.variables(network, 'd', images, labels)
  state = {k: v for k, v in variables.items() if k != 'params'}
  expected = originals.part(FIXTURE, case)

  def loss(params, state):
    logits, _ = network.apply(
      {'params': params, **state}, images, labels, train=True, mutable=list(state)
    )
    real, fake = jnp.split(logits, 2)
    value = jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()
    return value, (real, fake)

  run = jax.jit(jax.value_and_grad(loss, has_aux=True))
  (value, (real, fake)), gradient = run(variables['params'], state)
  originals.close(real, expected['real_logits'])
  originals.close(fake, expected['fake_logits'])
  originals.close(value, expected['d_loss'])
  originals.check_gradient(gradient, 'd', expected)


@pytest.mark.parametrize(
  ('separable', 'count'),
  [(False, 10.33e6), (True, 0.6965e6)],
)
def test_as_many_weights_learn_as_published_and_as_many_are_drawn(separable, count):
  network = projected.Discriminator(224, 3, separable=separable)
  shapes = jax.eval_shape(
    lambda: network.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)), LABELS[:1], train=False)
  )
  size = lambda tree: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))
  assert size(shapes['params']) == pytest.approx(count, rel=1e-3)
  fixed = {name: leaf for name, leaf in shapes['fixed'].items() if name != 'network'}
  assert size(fixed) == 376_768


def shape_of(**options):
  """Of the logits of two images of 64 pixels."""
  network = projected.Discriminator(64, 3, **options)
  run = lambda: network.init_with_output(
    jax.random.key(0), jnp.zeros((2, 64, 64, 3)), LABELS, train=False
  )
  return jax.eval_shape(run)[0].shape


@pytest.mark.parametrize(
  ('side', 'heads', 'logits'),
  [(224, 4, 4 * 16), (256, 4, 4 * 25), (128, 4, 4), (64, 4, 4), (64, 2, 2), (96, 4, 4 * 9)],
)
def test_every_head_has_places_left(side, heads, logits):
  assert shape_of(side=side, heads=heads) == (2, logits)


@pytest.mark.parametrize('mixing', ['channels', 'none'])
@pytest.mark.parametrize(('side', 'most'), [(64, 3), (96, 3), (128, 4)])
def test_maps_that_no_mixing_enlarges_have_fewer_heads(side, most, mixing):
  assert shape_of(side=side, heads=most, mixing=mixing)[1] >= most
  if most < 4:
    with pytest.raises(UserError, match=f'heads={most + 1}: accepted: 1 to {most} where'):
      shape_of(side=side, heads=most + 1, mixing=mixing)


@pytest.fixture(scope='module', params=[1, 3, 4])
def small(request):
  """A network at 64 pixels for images of some kind of channels; what draws its variables by a key.

  Weights enter programs as arguments: as constants, XLA would look for what it can fold of them.
  """
  network = projected.Discriminator((64, 64), request.param, side=64)
  images = jnp.asarray(np.tanh(drawn.draw('images', (4, 64, 64, request.param))))
  make = jax.jit(lambda key: network.init(key, images[:1], LABELS[:1], train=False))
  return network, images, make


@pytest.mark.parametrize('small', [3], indirect=True)
def test_the_same_key_draws_the_same_projections_and_another_one_others(small):
  _, _, make = small
  first, same, other = (make(jax.random.key(seed))['fixed'] for seed in (1, 1, 2))
  jax.tree.map(np.testing.assert_array_equal, same, first)
  assert np.abs(other['scales0']['kernel'] - same['scales0']['kernel']).max() > 0.01


def test_a_gradient_reaches_every_channel_and_fixed_weights_stay(small):
  network, images, make = small
  variables = make(jax.random.key(1))
  state = [name for name in variables if name != 'params']
  labels = jnp.zeros(4, int)

  @jax.jit
  def run(variables, images):
    def score(images):
      logits, moved = network.apply(variables, images, labels, train=True, mutable=state)
      return logits.mean(), moved

    return jax.grad(score, has_aux=True)(images)

  gradient, moved = run(variables, images)
  assert (jnp.abs(gradient).max(axis=(0, 1, 2)) > 0).all()
  jax.tree.map(np.testing.assert_array_equal, moved['fixed'], variables['fixed'])


@pytest.mark.parametrize('small', [3], indirect=True)
def test_parts_of_a_batch_have_no_part_in_each_others_logits(small):
  network, images, make = small
  variables = make(jax.random.key(1))
  state = [name for name in variables if name != 'params']

  @jax.jit
  def judge(variables, images):
    parts = network.for_parts(2)
    return parts.apply(variables, images, jnp.zeros(4, int), train=True, mutable=state)[0]

  logits, others = (judge(variables, x) for x in (images, images.at[2:].multiply(0.5)))
  np.testing.assert_allclose(logits[:2], others[:2], rtol=1e-4, atol=1e-4)
  assert np.abs(logits[2:] - others[2:]).max() > 1e-3


@pytest.fixture(scope='module')
def two_batches():
  """Images `[4, 64, 64, 3]`, others of which one differs, and the network's maps of both."""
  images = jnp.asarray(np.tanh(drawn.draw('images', (4, 64, 64, 3))))
  release = efficientnet_lite.RELEASES['efficientnet_lite0']
  params = efficientnet_lite.read('efficientnet_lite0')
  taps = jax.jit(lambda params, x: efficientnet_lite.taps(release, params, x))
  return [(x, taps(params, x)) for x in (images, images.at[1].multiply(0.5))]


@pytest.mark.parametrize(
  ('norm', 'group', 'seen_by'),
  [('none', 0, {1}), ('none', 2, {0, 1}), ('none', 4, {0, 1, 2, 3}), ('batch', 0, {0, 1, 2, 3})],
)
def test_an_image_is_judged_by_itself_but_for_normalisation_and_its_group(
  norm, group, seen_by, two_batches, monkeypatch
):
  network = projected.Discriminator(
    (64, 64), 3, side=64, heads=1, pixels=True, norm=norm, deviation_group=group
  )
  labels = jnp.zeros(4, int)
  variables = originals.variables(network, 'd', two_batches[0][0], labels)
  variables['fixed'].pop('network')
  monkeypatch.setattr(projected, '_weights', lambda name: {})

  @jax.jit
  def judge(images, maps):
    monkeypatch.setattr(efficientnet_lite, 'taps', lambda *_: list(maps))
    state = [name for name in variables if name != 'params']
    return network.apply(variables, images, labels, train=True, mutable=state)[0]

  first, other = (judge(*batch) for batch in two_batches)
  change = np.abs(first - other).max(axis=1)
  assert {row for row in range(4) if change[row] > 1e-5} == seen_by


@pytest.mark.parametrize('width', [16, 32, 64])
def test_the_head_on_pixels_has_the_channels_asked_for_twice_as_many_after_each_halving(width):
  network = projected.Discriminator((64, 64), 4, side=64, pixel_width=width)
  images = jnp.zeros((1, 64, 64, 4))
  made = jax.eval_shape(
    lambda: network.init(jax.random.key(0), images, LABELS[:1], train=False)['params']
  )
  kernels = {name: of['kernel'].shape for name, of in made.items() if 'kernel' in of}
  on_pixels = [shape for name, shape in kernels.items() if name.startswith('head4')]
  channels = [4, width, 2 * width, 4 * width, 8 * width, 1]
  assert sorted(on_pixels) == sorted((4, 4, n, m) for n, m in itertools.pairwise(channels))
  assert kernels['head0_64_conv'][-1] == 64


def test_taps_end_in_what_the_classifier_sees():
  """The last tap, through the head's convolution and the pool, gives the features of scores."""
  release = efficientnet_lite.RELEASES['efficientnet_lite0']
  params = efficientnet_lite.read('efficientnet_lite0')
  x = jnp.asarray(np.tanh(drawn.draw('seen', (1, 64, 64, 3))))

  @jax.jit
  def both(params, x):
    maps = efficientnet_lite.taps(release, params, x)
    last = jnp.clip(efficientnet_lite.dense(maps[-1], params['head']), 0, 6)
    return maps, last, efficientnet_lite.trunk(release, params, x)

  maps, last, trunk = both(params, x)
  np.testing.assert_allclose(last, trunk, atol=1e-5)
  sides = [(m.shape[1], m.shape[-1]) for m in maps]
  assert sides == [(16, 24), (8, 40), (4, 112), (2, 320)]


@pytest.mark.parametrize(
  ('key', 'value', 'message'),
  [
    ('network', 'vgg', 'efficientnet_lite0, efficientnet_lite1, efficientnet_lite2'),
    ('mixing', 'all', 'scales, channels, none'),
    ('heads', 5, '1 to 4'),
    ('norm', 'layer', 'batch, none'),
    ('deviation_group', -1, 'from 0'),
    ('pixel_width', 0, 'from 1'),
    ('side', 100, 'a multiple of 32'),
    ('side', 32, 'a multiple of 32 from 64'),
  ],
)
def test_what_cannot_be_is_refused(key, value, message):
  network = projected.Discriminator((64, 64), 3, **{key: value})
  with pytest.raises(UserError, match=message):
    jax.eval_shape(
      lambda: network.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), LABELS[:1], train=False)
    )
