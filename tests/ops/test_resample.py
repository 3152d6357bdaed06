import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from gan_jax.ops import resample

KERNEL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


FORMS = {  # of both operations, on accelerators and on CPUs
  'shifts': (resample._up_by_shifts, resample._down_by_shifts),
  'matrix': (resample._up_by_matrix, resample._down_by_matrix),
}


def _images(size=6):
  return np.random.default_rng(0).normal(size=(2, size, size + 2, 3)).astype(np.float32)


def test_downsample_is_scipys_filter_and_stride():
  x = _images()
  expected = signal.convolve2d(np.pad(x[0, :, :, 0], 1), KERNEL, 'valid')[::2, ::2]
  np.testing.assert_allclose(resample.downsample(x)[0, :, :, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('axis', [1, 2])
def test_each_form_on_one_axis_is_numpys_convolution(form, axis):
  up, down = FORMS[form]
  x = _images()
  filtered = np.apply_along_axis(np.convolve, axis, x, [1 / 8, 3 / 8, 3 / 8, 1 / 8])
  # With the one pixel beyond the edge, the first window is centred between the first two pixels.
  halved = np.take(filtered, range(2, 2 + x.shape[axis], 2), axis)
  np.testing.assert_allclose(down(axis, jnp.asarray(x)), halved, rtol=1e-5, atol=1e-6)
  spread = np.zeros((*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :]), np.float32)
  spread[(slice(None),) * axis + (slice(None, None, 2),)] = x
  filtered = np.apply_along_axis(np.convolve, axis, spread, [1 / 4, 3 / 4, 3 / 4, 1 / 4])
  doubled = np.take(filtered, range(1, 1 + spread.shape[axis]), axis)
  np.testing.assert_allclose(up(axis, jnp.asarray(x)), doubled, rtol=1e-5, atol=1e-6)


def test_upsample_is_four_times_the_adjoint_of_downsample():
  x = jnp.asarray(_images())
  up = resample.upsample(x)
  assert up.shape == (2, 12, 16, 3)
  y = jnp.asarray(np.random.default_rng(1).normal(size=up.shape), jnp.float32)
  np.testing.assert_allclose(jnp.vdot(up, y), 4 * jnp.vdot(x, resample.downsample(y)), rtol=1e-4)


def test_constants_stay_away_from_the_edge():
  ones = jnp.ones((1, 8, 8, 1))
  np.testing.assert_allclose(resample.upsample(ones)[:, 1:-1, 1:-1], 1, rtol=1e-6)
  np.testing.assert_allclose(resample.downsample(ones)[:, 1:-1, 1:-1], 1, rtol=1e-6)


def test_gradient_of_upsample_is_its_adjoint():
  x = jnp.asarray(_images())
  gradient = jax.grad(lambda x: (resample.upsample(x) ** 2).sum())(x)
  expected = 8 * resample.downsample(resample.upsample(x))
  np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_an_odd_size_is_refused():
  with pytest.raises(ValueError, match='odd'):
    resample.downsample(jnp.zeros((1, 5, 4, 1)))


def test_enlarging_from_corner_to_corner_is_interpolation_at_even_steps():
  x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
  found = jax.jit(resample.enlarge_aligned)(x)
  expected = x
  for axis in (1, 2):
    places = np.linspace(0, x.shape[axis] - 1, 2 * x.shape[axis])
    known = np.arange(x.shape[axis])
    interpolate = lambda line, places=places, known=known: np.interp(places, known, line)
    expected = np.apply_along_axis(interpolate, axis, expected)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  np.testing.assert_allclose(found[:, ::5, ::9], x[:, ::2, ::4], atol=1e-6)
