"""The convolution in fewer products against the plain one, and what it claims to save."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.ops import conv, winograd
from gan_jax.ops.window import Window

WINDOWS = [
  Window((8, 8), (4, 4), 2, ((1, 1), (1, 1)), 1),
  Window((8, 12), (4, 4), 2, ((1, 1), (1, 1)), 1),
  Window((5, 7), (2, 2), 1, ((0, 0), (0, 0)), 1),
  Window((4, 4), (2, 2), 1, ((0, 1), (1, 0)), 1),
  Window((9, 6), (4, 4), 2, ((1, 1), (0, 4)), 1),  # its last row and column in no window
  Window((12, 12), (6, 6), 3, ((2, 1), (1, 2)), 1),
]


def _arrays(window, batch=6, channels=3, filters=5):
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.integers(-8, 9, shape).astype(np.float32)
  x = draw(batch, *window.inputs, channels)
  w = draw(*window.kernel, channels, filters)
  return x, w, draw(batch, *window.outputs, filters)


@pytest.mark.parametrize('window', WINDOWS)
@pytest.mark.parametrize('cached', [1, 1 << 20])  # an image at a time, all at once
def test_small_integers_come_out_exactly_as_in_the_plain_convolution(window, cached, monkeypatch):
  monkeypatch.setattr(winograd, '_CACHED_BYTES', cached)
  x, w, g = _arrays(window)
  for ours, plain, arrays in (
    (winograd.forward, conv._forward_plain, (x, w)),
    (winograd.input_gradient, conv._input_gradient_plain, (g, w)),
    (winograd.weight_gradient, conv._weight_gradient_plain, (x, g)),
  ):
    np.testing.assert_array_equal(ours(window, *arrays), plain(window, *arrays))


@pytest.mark.parametrize('batch', [1, 32])  # more weights than pixels, and the other way round
def test_an_input_gradient_is_exact_whichever_way_its_kernel_lies(batch):
  window = WINDOWS[0]
  _, w, g = _arrays(window, batch, channels=32, filters=16)
  expected = conv._input_gradient_plain(window, g, w)
  np.testing.assert_array_equal(winograd.input_gradient(window, g, w), expected)


@pytest.mark.parametrize('shift', [0, 1, 100])
def test_it_rounds_about_as_the_plain_convolution_does(shift):
  window = Window((16, 16), (4, 4), 2, ((1, 1), (1, 1)), 1)
  rng = np.random.default_rng(1)
  x = rng.normal(shift, 1, (4, 16, 16, 64)).astype(np.float32)
  w = rng.normal(0, 0.02, (4, 4, 64, 64)).astype(np.float32)
  padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
  taps = [padded[:, i : i + 16 : 2, j : j + 16 : 2] @ w[i, j] for i, j in np.ndindex(4, 4)]
  error = lambda form: np.sqrt(np.mean((form(window, x, w) - sum(taps)) ** 2))
  assert error(winograd.forward) < 2 * error(conv._forward_plain)


@pytest.mark.parametrize('operation', ['forward', 'input_gradient', 'weight_gradient'])
def test_sixteen_multiplications_become_nine(operation):
  window = Window((8, 8), (4, 4), 2, ((1, 1), (1, 1)), 1)
  x, w, g = _arrays(window, batch=4, channels=8, filters=16)
  arrays = {'forward': (x, w), 'input_gradient': (g, w), 'weight_gradient': (x, g)}[operation]
  jaxpr = jax.make_jaxpr(getattr(winograd, operation), 0)(window, *arrays)
  assert 'conv_general_dilated' not in str(jaxpr)
  assert _products(jaxpr.jaxpr) * 16 == 4 * math.prod(window.outputs) * w.size * 9


def _products(jaxpr):
  """Multiplications of all matrix products, at every turn of the loops."""
  total = 0
  for eqn in jaxpr.eqns:
    if eqn.primitive.name == 'dot_general':
      (contracted, _), _ = eqn.params['dimension_numbers']
      sizes = [eqn.invars[0].aval.shape[n] for n in contracted]
      total += math.prod(sizes) * eqn.outvars[0].aval.size
    for parameter in eqn.params.values():
      within = getattr(parameter, 'jaxpr', None)
      if within is not None:
        total += _products(within) * eqn.params.get('length', 1)
  return total


def test_only_where_exact_and_of_use():
  window = Window((32, 32), (4, 4), 2, ((1, 1), (1, 1)), 1)
  assert winograd.fits(window, 64, 64, 128, jnp.float32)
  for other in (
    window._replace(groups=2),
    window._replace(kernel=(3, 3)),
    window._replace(kernel=(4, 2)),
    window._replace(stride=1),
    window._replace(inputs=(30, 32)),  # 15 rows
  ):
    assert not winograd.fits(other, 64, 64, 128, jnp.float32)
  for dtype in (jnp.bfloat16, jnp.float16, jnp.int32):
    assert not winograd.fits(window, 64, 64, 128, dtype)
  assert not winograd.fits(window, 1, 64, 128, jnp.float32)
  assert not winograd.fits(window, 64, 3, 128, jnp.float32)


def test_the_cpu_multiplies_matrices_where_an_accelerator_convolves():
  x, w = jnp.zeros((8, 32, 32, 32)), jnp.zeros((4, 4, 32, 64))
  step = jax.jit(jax.grad(lambda x, w: conv.conv(x, w, stride=2, padding=1).sum() ** 2, (0, 1)))
  for platform, convolves in (('cpu', False), ('tpu', True), ('cuda', True)):
    text = step.trace(x, w).lower(lowering_platforms=(platform,)).as_text()
    assert ('stablehlo.convolution' in text) == convolves
    assert ('stablehlo.dot_general' in text) != convolves
