"""Against PyTorch-StudioGAN's own code: `fixtures/make_resnet.py`; counts; convolutions in one."""

import itertools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from gan_jax.errors import UserError
from gan_jax.models import layers, resnet

FIXTURE = np.load(pathlib.Path(__file__).parent / 'fixtures' / 'resnet.npz')
LABELS = jnp.array([0, 1, 2])


def part(case, name):
  """The arrays of one part of a case, as a tree."""
  prefix = f'{case}/{name}/'
  flat = {k.removeprefix(prefix): FIXTURE[k] for k in FIXTURE if k.startswith(prefix)}
  return traverse_util.unflatten_dict(flat, sep='/')


@pytest.fixture(params=['sngan', 'unconditional', 'wgan_gp'])
def original(request):
  """Our networks with the original's weights, and what these gave there."""
  name = request.param
  get = lambda key: jnp.asarray(FIXTURE[f'{name}/{key}'])
  classes = 3 if name == 'sngan' else 0
  spectral = name != 'wgan_gp'
  generator = resnet.Generator((32, 32), 3, 8, classes, width=2)
  norm = 'spectral' if spectral else 'batch'
  discriminator = resnet.Discriminator((32, 32), 3, classes, width=2, discriminator_norm=norm)
  labels = get('labels').astype(int)
  shapes = jax.eval_shape(
    lambda: (
      generator.init(jax.random.key(0), get('latents'), labels, train=True),
      discriminator.init(jax.random.key(0), get('reals'), labels, train=True),
    )
  )
  for network, found in zip(('generator', 'discriminator'), shapes, strict=True):
    ours = traverse_util.flatten_dict(found['params'], sep='/')
    theirs = traverse_util.flatten_dict(part(name, network), sep='/')
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
  state = {k: jax.tree.map(lambda x: jnp.zeros(x.shape), v) for k, v in shapes[1].items()}
  if spectral:
    stored = traverse_util.flatten_dict(part(name, 'spectral'), sep='/')
    assert set(stored) == set(traverse_util.flatten_dict(shapes[1]['spectral'], sep='/'))
    state['spectral'] = part(name, 'spectral')
  g_state = {k: v for k, v in shapes[0].items() if k != 'params'}
  g_state = jax.tree.map(lambda x: jnp.zeros(x.shape), g_state)

  def generate(params):
    variables = {**g_state, 'params': params}
    return generator.apply(variables, get('latents'), labels, train=True, mutable=list(g_state))[0]

  def judge(params, images):
    variables = {**state, 'params': params}
    mutable = [collection for collection in state if collection != 'params']
    return discriminator.apply(variables, images, labels, train=True, mutable=mutable)[0]

  return name, get, generate, judge


def close(found, expected):
  """Within 1e-3 of the largest value of an array."""
  scale = float(np.abs(expected).max()) or 1.0
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * scale)


def test_images_logits_and_gradients_are_those_of_the_original(original):
  name, get, generate, judge = original
  g_params, d_params = part(name, 'generator'), part(name, 'discriminator')

  def g_loss(params):
    return -judge(d_params, generate(params)).mean()

  def d_loss(params):
    reals, fakes = get('reals'), jax.lax.stop_gradient(get('fakes'))
    if name != 'wgan_gp':
      real, fake = judge(params, reals), judge(params, fakes)
      return nn_relu(1 - real).mean() + nn_relu(1 + fake).mean()
    slope = jax.grad(lambda images: judge(params, images).sum())((reals + fakes) / 2)
    norms = jnp.sqrt(jnp.sum(slope**2, axis=(1, 2, 3)))
    penalty = jnp.mean((norms - 1) ** 2)
    return judge(params, fakes).mean() - judge(params, reals).mean() + 10 * penalty

  nn_relu = lambda x: jnp.maximum(x, 0)
  close(jax.jit(generate)(g_params), get('fakes'))
  close(jax.jit(judge)(d_params, get('reals')), get('real_logits'))
  close(jax.jit(judge)(d_params, get('fakes')), get('fake_logits'))
  for loss, params, key in ((g_loss, g_params, 'g'), (d_loss, d_params, 'd')):
    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    close(value, get(f'{key}_loss'))
    ours = traverse_util.flatten_dict(gradient, sep='/')
    theirs = traverse_util.flatten_dict(part(name, f'{key}_gradient'), sep='/')
    largest = max(float(np.abs(v).max()) for v in theirs.values())
    for place, expected in theirs.items():
      # A bias before a normalisation moves nothing: its gradient is rounding alone.
      if np.abs(expected).max() > 1e-4 * largest:
        close(ours[place], expected)


@pytest.mark.parametrize(
  ('size', 'classes', 'generator', 'discriminator'),
  [(32, 10, 4.30e6, 1.06e6), (32, 0, 4.28e6, 1.05e6)],
)
def test_there_are_as_many_weights_as_published(size, classes, generator, discriminator):
  count = lambda module, *args: sum(
    int(np.prod(leaf.shape))
    for leaf in jax.tree.leaves(
      jax.eval_shape(lambda: module.init(jax.random.key(0), *args, train=False))['params']
    )
  )
  z, x = jnp.zeros((3, 128)), jnp.zeros((3, size, size, 3))
  assert count(resnet.Generator(size, 3, 128, classes), z, LABELS) == pytest.approx(
    generator, rel=2e-3
  )
  found = count(resnet.Discriminator(size, 3, classes), x, LABELS)
  assert found == pytest.approx(discriminator, rel=5e-3)


@pytest.mark.parametrize(
  ('size', 'upwards', 'downwards'),
  [
    (16, [256, 256, 256], [128, 128, 128]),
    (32, [256, 256, 256, 256], [128, 128, 128, 128]),
    (64, [1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024]),
    (128, [1024, 1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024, 1024]),
    (256, [1024, 1024, 512, 512, 256, 128, 64], [64, 128, 256, 512, 512, 1024, 1024]),
  ],
)
def test_blocks_are_as_wide_as_published(size, upwards, downwards):
  """Channels at a width of 64: SNGAN's, and at 256 pixels those of BigGAN's `G_arch`, `D_arch`."""

  def run(module, x):
    made = jax.eval_shape(lambda: module.init(jax.random.key(0), x, LABELS, train=False))
    return traverse_util.flatten_dict(made['params'], sep='_')

  made = run(resnet.Generator(size, 3, 8, width=64), jnp.zeros((3, 8)))
  judged = run(resnet.Discriminator(size, 3, width=64), jnp.zeros((3, size, size, 3)))
  assert made['stem_kernel'].shape == (8, 16 * upwards[0])
  for params, widths in ((made, upwards), (judged, [3, *downwards])):
    found = [params[f'block{n}_conv1_kernel'].shape[2:] for n in range(len(widths) - 1)]
    assert found == list(itertools.pairwise(widths))
    assert f'block{len(widths) - 1}_conv1_kernel' not in params


@pytest.mark.parametrize('size', [(16, 24), (32, 32), (64, 64), (128, 128)])
@pytest.mark.parametrize('channels', [1, 4])
def test_every_size_makes_and_scores_its_images(size, channels):
  z = jnp.zeros((3, 8))
  run = lambda module, *args: jax.eval_shape(
    lambda: module.init_with_output(jax.random.key(0), *args, train=False)
  )[0]
  images = run(resnet.Generator(size, channels, 8, 3, width=2), z, LABELS)
  assert images.shape == (3, *size, channels)
  x = jnp.zeros(images.shape)
  logits = run(resnet.Discriminator(size, channels, 3, width=2), x, LABELS)
  assert logits.shape == (3,)


@pytest.mark.parametrize(
  ('size', 'options', 'message'),
  [
    (48, {}, r'dataset.resolution=48: resnet makes 16, 32, 64, 128, 256 pixels'),
    ((32, 44), {}, 'a longer side that is a multiple of 8'),
    (32, {'discriminator_norm': 'layer'}, 'accepted: batch, none, spectral'),
    (32, {'discriminator_condition': 'concat'}, 'accepted: projection, classifier, none'),
    (32, {'width': 0}, 'must be positive'),
    (32, {'spectral_epsilon': 0.0}, 'must be positive'),
  ],
)
def test_what_cannot_be_is_refused(size, options, message):
  module = resnet.Discriminator(size, 3, 3, **options)
  x = jnp.zeros((3, *layers.sides(size), 3))
  with pytest.raises(UserError, match=message):
    jax.eval_shape(lambda: module.init(jax.random.key(0), x, LABELS, train=False))
