import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.signal import correlate2d

from gan_jax.ops import depthwise as module
from gan_jax.ops.depthwise import depthwise
from gan_jax.ops.window import Window

CASES = [
  # kernel size, stride, padding
  ((3, 3), 1, 1),
  ((3, 3), 2, ((0, 1), (0, 1))),
  ((5, 5), 2, ((1, 2), (2, 1))),
  ((5, 3), 3, 0),
  ((1, 1), 2, 0),
]
# For CPUs, and for other platforms.
LOWERINGS = [
  (module._taps, module._grouped),
  (module._taps_input_gradient, module._grouped_input_gradient),
  (module._taps_kernel_gradient, module._grouped_kernel_gradient),
]


def _draw(size, channels=3):
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 9, 12, channels)).astype(np.float32)
  return x, rng.normal(size=(*size, channels)).astype(np.float32)


def _pairs(padding):
  return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


@pytest.mark.parametrize(('size', 'stride', 'padding'), CASES)
def test_is_scipys_correlation_of_each_channel(size, stride, padding):
  x, kernel = _draw(size)
  padded = np.pad(x, ((0, 0), *_pairs(padding), (0, 0)))
  expected = [
    [correlate2d(image[..., c], kernel[..., c], 'valid') for c in range(3)] for image in padded
  ]
  expected = np.moveaxis(np.array(expected), 1, -1)[:, ::stride, ::stride]
  y = jax.jit(depthwise, static_argnums=(2, 3))(x, kernel, stride, padding)
  np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(('size', 'stride', 'padding'), CASES)
def test_both_lowerings_agree_as_do_those_of_the_gradients(size, stride, padding):
  x, kernel = _draw(size)
  window = Window(x.shape[1:3], size, stride, _pairs(padding), 3)
  g = np.random.default_rng(1).normal(size=(2, *window.outputs, 3)).astype(np.float32)
  for lowerings, arguments in zip(LOWERINGS, [(x, kernel), (g, kernel), (x, g)], strict=True):
    ours, plain = (jax.jit(form, static_argnums=0)(window, *arguments) for form in lowerings)
    np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)


def test_is_differentiable_twice():
  size, stride, padding = CASES[2]
  x, kernel = (jnp.asarray(array, jnp.float32) for array in _draw(size))
  check_grads(lambda *at: depthwise(*at, stride, padding), (x, kernel), order=2, rtol=2e-2)


@pytest.mark.parametrize(('platform', 'convolves'), [('cpu', False), ('cuda', True), ('tpu', True)])
def test_is_a_convolution_but_on_the_cpu(platform, convolves):
  traced = jax.jit(depthwise, static_argnums=(2, 3)).trace(*_draw((3, 3)), 1, 1)
  assert ('convolution' in traced.lower(lowering_platforms=(platform,)).as_text()) == convolves


def test_same_is_tensorflows_padding():
  x, kernel = _draw((5, 3))
  jitted = jax.jit(depthwise, static_argnums=(2, 3))
  # ceil(9 / 2) = 5 rows from 13 pixels, ceil(12 / 2) = 6 columns from 13 pixels.
  expected = jitted(x, kernel, 2, ((2, 2), (0, 1)))
  np.testing.assert_array_equal(jitted(x, kernel, 2, 'SAME'), expected)


def test_is_differentiable_and_maps_under_jit():
  x, kernel = _draw((3, 3))
  grad = jax.jit(jax.grad(lambda k: depthwise(jnp.asarray(x), k, 1, 1).sum()))(kernel)
  # The derivative by the centre tap is the sum of the channel, for the sum is linear in it.
  np.testing.assert_allclose(grad[1, 1], x.sum((0, 1, 2)), rtol=1e-4, atol=1e-4)
  whole = jax.jit(lambda x: depthwise(x, kernel, 2, 1))
  mapped = jax.jit(jax.vmap(lambda image: whole(image[None])[0]))(x)
  np.testing.assert_allclose(mapped, whole(x), atol=1e-5)


@pytest.mark.parametrize(
  ('kernel', 'named'),
  [((3, 3, 4), r'\(3, 3, 4\)'), ((3, 3, 1, 3), r'\(3, 3, 1, 3\)'), ((9, 13, 3), 'exceeds')],
)
def test_refuses_a_kernel_that_does_not_fit(kernel, named):
  with pytest.raises(ValueError, match=named):
    depthwise(jnp.zeros((1, 9, 12, 3)), jnp.zeros(kernel))
