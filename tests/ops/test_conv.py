"""Both forms of each convolution against each other, scipy, and the definition of an adjoint."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from gan_jax.ops import conv as ops
from gan_jax.ops.window import Window

SHAPES = [
  # size, kernel, stride, padding, channels, filters, groups
  ((8, 8), (4, 4), 2, ((1, 1), (1, 1)), 3, 5, 1),
  ((9, 7), (3, 3), 2, ((1, 1), (1, 1)), 6, 4, 1),
  ((8, 6), (3, 3), 1, ((1, 1), (1, 1)), 8, 8, 4),
  ((7, 9), (3, 5), 2, ((0, 1), (2, 1)), 6, 9, 3),
  ((6, 6), (3, 3), 1, ((1, 1), (1, 1)), 12, 12, 6),
  ((8, 7), (3, 3), 2, ((1, 1), (1, 1)), 12, 6, 6),
  ((4, 4), (3, 3), 1, ((1, 1), (1, 1)), 56, 28, 28),
  ((4, 4), (4, 4), 1, ((0, 0), (0, 0)), 6, 1, 1),
  ((16, 16), (4, 4), 2, ((1, 1), (1, 1)), 6, 7, 1),
  ((10, 10), (2, 2), 3, ((0, 0), (0, 0)), 5, 3, 1),
  ((5, 5), (1, 1), 2, ((0, 0), (0, 0)), 8, 2, 1),
  ((9, 7), (6, 3), 3, ((1, 2), (0, 0)), 1, 6, 1),
  ((9, 8), (4, 2), 2, ((0, 0), (2, 3)), 2, 6, 1),
  ((32, 32), (4, 4), 2, ((1, 1), (1, 1)), 32, 40, 1),  # in fewer products: see test_winograd
]


def _case(size, kernel, stride, padding, channels, filters, groups):
  rng = np.random.default_rng(0)
  window = Window(size, kernel, stride, padding, groups)
  x = rng.normal(size=(2, *size, channels)).astype(np.float32)
  w = rng.normal(size=(*kernel, channels // groups, filters)).astype(np.float32)
  w /= np.sqrt(w[..., 0].size)  # results of variance 1
  g = rng.normal(size=(2, *window.outputs, filters)).astype(np.float32)
  return window, x, w, g


@pytest.mark.parametrize('shape', SHAPES)
def test_the_cpu_form_equals_the_plain_form(shape):
  window, x, w, g = _case(*shape)
  for plain, cpu, args in (
    (ops._forward_plain, ops._forward_cpu, (x, w)),
    (ops._input_gradient_plain, ops._input_gradient_cpu, (g, w)),
    (ops._weight_gradient_plain, ops._weight_gradient_cpu, (x, g)),
  ):
    np.testing.assert_allclose(cpu(window, *args), plain(window, *args), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('shape', [s for s in SHAPES if s[2] > 1 and s[-1] == 1])
@pytest.mark.parametrize('form', [ops._all_phases, ops._phase_by_phase])
def test_both_ways_to_the_phases_of_a_strided_input_gradient_are_exact(shape, form):
  window, _, w, g = _case(*shape)
  expected = ops._input_gradient_plain(window, g, w)
  np.testing.assert_allclose(form(window, g, w), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
  'shape', [s for s in SHAPES if s[-1] == 1 and s[1][0] % s[2] == s[1][1] % s[2] == 0]
)
def test_a_product_folded_is_the_input_gradient(shape):
  window, _, w, g = _case(*shape)
  expected = ops._input_gradient_plain(window, g, w)
  np.testing.assert_allclose(ops._fold(window, g, w), expected, rtol=1e-4, atol=1e-4)


def test_forward_is_scipys_correlation():
  rng = np.random.default_rng(1)
  x, w = rng.normal(size=(1, 9, 9, 2)), rng.normal(size=(3, 3, 2, 1))
  expected = sum(signal.correlate2d(x[0, :, :, c], w[:, :, c, 0], 'valid') for c in range(2))
  actual = ops.conv(jnp.asarray(x, jnp.float32), jnp.asarray(w, jnp.float32), stride=2)
  np.testing.assert_allclose(actual[0, :, :, 0], expected[::2, ::2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('stride', 'padding', 'side'), [(2, 1, 8), (1, 0, 7), (3, 0, 13)])
def test_conv_transpose_is_the_adjoint_of_conv(stride, padding, side):
  rng = np.random.default_rng(2)
  y = jnp.asarray(rng.normal(size=(2, 4, 4, 6)), jnp.float32)
  w = jnp.asarray(rng.normal(size=(4, 4, 3, 6)), jnp.float32)
  up = ops.conv_transpose(y, w, stride=stride, padding=padding)
  assert up.shape == (2, side, side, 3)
  x = jnp.asarray(rng.normal(size=up.shape), jnp.float32)
  down = ops.conv(x, w, stride=stride, padding=padding)
  np.testing.assert_allclose(jnp.vdot(down, y), jnp.vdot(x, up), rtol=1e-4)


@pytest.mark.parametrize('shape', [*SHAPES[:4], SHAPES[-1]])
def test_first_and_second_derivatives_equal_those_of_lax(shape):
  window, x, w, _ = _case(*shape)

  def penalty(forward):
    def objective(x, w):
      gradient = jax.grad(lambda x: jnp.tanh(forward(window, x, w)).sum())(x)
      return (gradient**2).sum()

    return jax.jit(jax.grad(objective, argnums=(0, 1)))

  ours, lax = penalty(ops._forward)(x, w), penalty(ops._forward_plain)(x, w)
  for actual, expected in zip(ours, lax, strict=True):
    np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=2e-3)


def test_vmap_remat_and_bfloat16_give_the_same_values():
  window, x, w, _ = _case(*SHAPES[0])
  plain = ops._forward_plain(window, x, w)
  stacked = jax.vmap(lambda x: ops._forward(window, x[None], w)[0])(x)
  np.testing.assert_allclose(stacked, plain, rtol=1e-4, atol=1e-4)
  loss = lambda f: jax.grad(lambda x: (f(x) ** 2).sum())(x)
  forward = lambda x: ops._forward(window, x, w)
  np.testing.assert_allclose(loss(jax.checkpoint(forward)), loss(forward), rtol=1e-5, atol=1e-5)
  low = ops.conv(jnp.asarray(x, jnp.bfloat16), jnp.asarray(w, jnp.bfloat16), stride=2, padding=1)
  assert low.dtype == jnp.bfloat16
  np.testing.assert_allclose(low.astype(jnp.float32), plain, rtol=0.05, atol=0.2)


@pytest.mark.parametrize('shape', [SHAPES[0], SHAPES[2]])
def test_gradients_of_mapped_convolutions_are_summed_over_what_is_not_mapped(shape):
  window, x, w, _ = _case(*shape)

  def loss(forward):
    one = lambda x, w: jnp.tanh(forward(window, x[None], w)).sum()
    each = jax.vmap(jax.vmap(one, (0, None)), (None, 0))  # all images with all kernels
    return jax.grad(lambda x, ws: each(x, ws).sum(), argnums=(0, 1))

  ws = jnp.stack([w, -2 * w, w / 3])
  ours, lax = loss(ops._forward)(x, ws), loss(ops._forward_plain)(x, ws)
  for actual, expected in zip(ours, lax, strict=True):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_a_groups_weight_gradient_in_bfloat16_is_summed_in_float32(monkeypatch):
  """Ones, 64 an image, of 512 images: added one by one in bfloat16, they would stop at half."""
  monkeypatch.setattr(ops, '_CACHED_BYTES', 1)  # each image a part
  images = jnp.ones((512, 8, 8, 4), jnp.bfloat16)
  window = Window((8, 8), (1, 1), 1, ((0, 0), (0, 0)), 2)
  found = jax.jit(lambda x: ops._weight_gradient_cpu(window, x, x))(images)
  assert found.dtype == jnp.bfloat16
  np.testing.assert_array_equal(found.astype(jnp.float32), 512 * 64)


def test_a_kernel_that_does_not_fit_is_refused():
  images = jnp.zeros((1, 4, 4, 4))
  with pytest.raises(ValueError, match='does not fit 4 channels'):
    ops.conv(images, jnp.zeros((3, 3, 3, 8)))
  with pytest.raises(ValueError, match='larger than 4x4 pixels with padding'):
    ops.conv(images, jnp.zeros((7, 7, 4, 8)), stride=2, padding=1)
  with pytest.raises(ValueError, match='does not fit 4 channels'):
    ops.conv_transpose(images, jnp.zeros((4, 4, 4, 8)))
  with pytest.raises(ValueError, match='leaves nothing'):
    ops.conv_transpose(images, jnp.zeros((4, 4, 8, 4)), padding=5)
