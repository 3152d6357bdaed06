"""DCGAN and R3GAN layer by layer in NumPy, with weights of which none is at its first value.

The other architectures are held against the originals' own code.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gan_jax.models import dcgan, r3gan

CLASSES, LATENT, BATCH = 3, 5, 3
LABELS = np.array([0, 2, 1])


# --- Operations, in float64


def convolved(x, kernel, stride=1, padding=0, groups=1):
  x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
  windows = sliding_window_view(x, kernel.shape[:2], (1, 2))[:, ::stride, ::stride]
  parts = zip(np.split(windows, groups, 3), np.split(kernel, groups, 3), strict=True)
  return np.concatenate([np.einsum('bhwcij,ijcf->bhwf', *part) for part in parts], -1)


def transposed(x, kernel, stride, padding):
  """Each pixel puts the kernel down, `[h, w, features, channels]`."""
  (b, h, w, _), (kh, kw, features, _) = x.shape, kernel.shape
  whole = np.zeros((b, (h - 1) * stride + kh, (w - 1) * stride + kw, features))
  for i, j in np.ndindex(h, w):
    put = np.einsum('bc,ijfc->bijf', x[:, i, j], kernel)
    whole[:, i * stride : i * stride + kh, j * stride : j * stride + kw] += put
  return whole[:, padding : whole.shape[1] - padding, padding : whole.shape[2] - padding]


def leaky(x, slope=0.2):
  return np.where(x > 0, x, slope * x)


def along(function, x):
  for axis in (1, 2):
    x = np.apply_along_axis(function, axis, x)
  return x


def doubled(line):
  spread = np.zeros(2 * len(line))
  spread[::2] = line
  return np.convolve(spread, [0.25, 0.75, 0.75, 0.25])[1 : 1 + len(spread)]


def halved(line):
  return np.convolve(line, np.array([1, 3, 3, 1]) / 8)[2 : 2 + len(line) : 2]


# --- Networks


def drawn(module, *arguments):
  """A network's result with drawn weights and statistics, and these."""
  shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *arguments, train=False))
  rng = np.random.default_rng(0)

  def draw(path, leaf):
    fan_in = max(1, int(np.prod(leaf.shape[:-1])))
    value = rng.normal(size=leaf.shape) / np.sqrt(fan_in)
    return (1 + abs(value) if path[-1].key == 'var' else value).astype(np.float32)

  variables = jax.tree_util.tree_map_with_path(draw, shapes)
  run = jax.jit(lambda variables: module.apply(variables, *arguments, train=False))
  return run(variables), jax.tree.map(np.float64, variables)


def latents():
  return np.random.default_rng(1).normal(size=(BATCH, LATENT)).astype(np.float32)


def images(side, channels):
  shape = (BATCH, side, side, channels)
  return np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)


def normalised(x, layer, averages, labels=None):
  """By the moving averages; scale and shift of the layer, or of the labels' own."""
  x = (x - averages['mean']) / np.sqrt(averages['var'] + 1e-5)
  if labels is None:
    return x * layer['norm']['scale'] + layer['norm']['bias']
  scale, shift = (layer[name]['embedding'][labels][:, None, None] for name in ('scale', 'shift'))
  return x * scale + shift


@pytest.mark.parametrize('classes', [0, CLASSES])
def test_dcgans_generator(classes):
  module = dcgan.Generator(16, 2, LATENT, classes, width=4, embedding_size=3)
  found, variables = drawn(module, latents(), LABELS)
  params, averages = variables['params'], variables['batch_stats']
  x, labels = np.float64(latents()), LABELS if classes else None
  if classes:
    x = np.concatenate([x, params['embedding']['embedding'][LABELS]], -1)
  x = x[:, None, None]
  for level, (stride, padding) in ((2, (1, 0)), (1, (2, 1))):
    x = transposed(x, params[f'conv{level}']['kernel'], stride, padding)
    name = f'norm{level}'
    x = np.maximum(0, normalised(x, params[name], averages[name]['norm'], labels))
  expected = np.tanh(transposed(x, params['image']['kernel'], 2, 1))
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('norm', ['batch', 'none'])
@pytest.mark.parametrize('condition', ['projection', 'concatenation', 'classifier', 'none'])
def test_dcgans_discriminator(norm, condition):
  options = {'discriminator_norm': norm, 'discriminator_condition': condition}
  module = dcgan.Discriminator(16, 2, CLASSES, width=4, embedding_size=3, **options)
  found, variables = drawn(module, images(16, 2), LABELS)
  params, averages = variables['params'], variables.get('batch_stats', {})

  def activated(x, level):
    if norm == 'none':
      return leaky(x + params[f'bias{level}']['bias'])
    name = f'norm{level}'
    return leaky(normalised(x, params[name], averages[name]['norm']) if level else x)

  x = np.float64(images(16, 2))
  for level in (0, 1):
    x = activated(convolved(x, params[f'conv{level}']['kernel'], 2, 1), level)
  if condition == 'concatenation':
    maps = params['embedding']['embedding'][LABELS][:, None, None]
    x = np.concatenate([x, np.broadcast_to(maps, (*x.shape[:3], 3))], -1)
    x = activated(convolved(x, params['conv2']['kernel']), 2)
  logits = convolved(x, params['logit']['kernel'])[:, 0, 0, 0]
  if condition == 'projection':
    logits += np.sum(x.sum((1, 2)) * params['projection']['embedding'][LABELS], -1)
  if condition == 'classifier':
    classes = convolved(x, params['classes']['kernel'])[:, 0, 0] + params['classes_bias']['bias']
    np.testing.assert_allclose(found['class_logits'], classes, rtol=1e-3, atol=1e-4)
    found = found['logits']
  np.testing.assert_allclose(found, logits, rtol=1e-3, atol=1e-4)


def block(x, layer, group_size):
  y = leaky(convolved(x, layer['widen']['kernel']) + layer['bias1']['bias'])
  groups = y.shape[-1] // group_size
  y = leaky(convolved(y, layer['mix']['kernel'], padding=1, groups=groups) + layer['bias2']['bias'])
  return x + convolved(y, layer['narrow']['kernel'])


SMALL = {'widths': (8, 8, 4), 'blocks': 2, 'group_size': 4}


def blocks(x, layers, stage):
  for number in range(SMALL['blocks']):
    x = block(x, layers[f'stage{stage}_block{number}'], SMALL['group_size'])
  return x


@pytest.mark.parametrize('classes', [0, CLASSES])
def test_r3gans_generator(classes):
  module = r3gan.Generator(16, 2, LATENT, classes, embedding_size=3, **SMALL)
  found, variables = drawn(module, latents(), LABELS)
  params = variables['params']
  x = np.float64(latents())
  if classes:
    x = np.concatenate([x, params['Embed_0']['embedding'][LABELS]], -1)
  x = params['basis'] * (x @ params['stem']['kernel'])[:, None, None]
  x = blocks(x, params['stages'], 0)
  x = blocks(along(doubled, x), params['stages'], 1)
  x = along(doubled, convolved(x, params['stages']['change2']['kernel']))
  x = blocks(x, params['stages'], 2)
  expected = convolved(x, params['image']['kernel'])
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize('condition', ['projection', 'classifier', 'none'])
def test_r3gans_discriminator(condition):
  options = {'discriminator_condition': condition, 'discriminator_embedding_size': 3}
  module = r3gan.Discriminator(16, 2, CLASSES, **options, **SMALL)
  found, variables = drawn(module, images(16, 2), LABELS)
  params = variables['params']
  x = convolved(np.float64(images(16, 2)), params['image']['kernel'])
  x = along(halved, blocks(x, params['stages'], 2))
  x = convolved(x, params['stages']['change1']['kernel'])
  x = along(halved, blocks(x, params['stages'], 1))
  x = np.einsum('bhwc,hwc->bc', blocks(x, params['stages'], 0), params['basis'])
  heads = x @ params['head']['kernel']
  if condition == 'projection':
    expected = np.sum(heads * params['Embed_0']['embedding'][LABELS], -1)
  else:
    expected = heads[:, 0]
  if condition == 'classifier':
    classes = x @ params['classes']['kernel'] + params['classes_bias']['bias']
    np.testing.assert_allclose(found['class_logits'], classes, rtol=1e-3, atol=1e-3)
    found = found['logits']
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


# --- First values


def spread(module, *arguments):
  made = jax.jit(lambda: module.init(jax.random.key(0), *arguments, train=False))()['params']
  return jax.tree_util.tree_map(np.asarray, made)


def test_dcgans_first_weights_have_the_published_spread():
  """N(0, 0.02), the scale of a normalisation about 1; without one, the variance is kept."""
  z, x = jnp.zeros((1, 50)), jnp.zeros((1, 16, 16, 3))
  labels = LABELS[:1]
  generator = spread(dcgan.Generator(16, 3, 50, width=32), z, labels)
  kernels = [generator[name]['kernel'] for name in ('conv2', 'conv1', 'image')]
  by_batch = spread(dcgan.Discriminator(16, 3, width=32), x, labels)
  kernels += [by_batch[name]['kernel'] for name in ('conv0', 'conv1', 'logit')]
  for kernel in kernels:
    np.testing.assert_allclose(kernel.std(), 0.02, rtol=0.1)
    assert abs(kernel.mean()) < 0.002
  scales = np.concatenate([generator[f'norm{n}']['norm']['scale'] for n in (1, 2)])
  np.testing.assert_allclose(scales.mean(), 1, atol=0.01)
  np.testing.assert_allclose(scales.std(), 0.02, rtol=0.3)
  alone = spread(dcgan.Discriminator(16, 3, width=32, discriminator_norm='none'), x, labels)
  for name, fan_in in (('conv0', 48), ('conv1', 512), ('logit', 1024)):
    np.testing.assert_allclose(alone[name]['kernel'].std(), np.sqrt(2 / fan_in), rtol=0.1)


def test_a_conditional_normalisation_changes_nothing_at_first():
  module = dcgan.Generator(16, 3, 5, CLASSES, width=4)
  layer = spread(module, jnp.zeros((1, 5)), LABELS[:1])['norm1']
  assert (layer['scale']['embedding'] == 1).all()
  assert (layer['shift']['embedding'] == 0).all()
