"""Scaling against Pillow, against interpolation written out, and at its simplest cases."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax.features import resize

SIZES = [((40, 60), (25, 30)), ((9, 17), (40, 31)), ((50, 8), (20, 33))]
PILLOW = {'linear': Image.Resampling.BILINEAR, 'cubic': Image.Resampling.BICUBIC}


def images(shape, dtype=np.uint8, count=2, channels=3, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, np.iinfo(dtype).max + 1, (count, *shape, channels)).astype(dtype)


def pillow(image, size, kernel):
  """Each channel as floats, as clean-fid does; nothing is rounded."""
  planes = [
    np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size[::-1], PILLOW[kernel]))
    for plane in np.moveaxis(image, -1, 0)
  ]
  return np.stack(planes, axis=-1).clip(0, 255)


@pytest.mark.parametrize('kernel', ['linear', 'cubic'])
@pytest.mark.parametrize(('before', 'after'), SIZES)
def test_antialias_is_pillow_s(before, after, kernel):
  x = images(before)
  found = resize.to_rgb(x, after, kernel, 'antialias')
  expected = np.stack([pillow(image, after, kernel) for image in x])
  np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(('before', 'after'), SIZES)
def test_legacy_linear_takes_the_four_nearest_pixels(before, after):
  x = images(before, count=1)
  found = resize.to_rgb(x, after, 'linear', 'legacy')[0]
  for row, column in np.ndindex(after):
    y, z = ((p + 0.5) * n / m - 0.5 for p, n, m in zip((row, column), before, after, strict=True))
    expected = np.zeros(3)
    for i, j in np.ndindex(2, 2):
      at = int(np.floor(y)) + i, int(np.floor(z)) + j
      share = (1 - abs(y - at[0])) * (1 - abs(z - at[1]))
      expected += share * x[0, np.clip(at[0], 0, before[0] - 1), np.clip(at[1], 0, before[1] - 1)]
    np.testing.assert_allclose(found[row, column], expected, atol=1e-3)


@pytest.mark.parametrize('kernel', ['linear', 'cubic'])
def test_legacy_weights_keep_constants_and_lines(kernel):
  weights = resize.legacy_weights(40, 100, kernel)
  np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
  if kernel == 'linear':
    places = (np.arange(100) + 0.5) * 0.4 - 0.5
    np.testing.assert_allclose(weights @ np.arange(40), places.clip(0, 39), atol=1e-5)
  np.testing.assert_allclose(resize.legacy_weights(7, 7, kernel), np.eye(7), atol=1e-6)


@pytest.mark.parametrize('way', ['antialias', 'legacy'])
@pytest.mark.parametrize('kernel', ['linear', 'cubic'])
def test_images_of_the_right_size_are_untouched(kernel, way):
  x = images((12, 10))
  np.testing.assert_array_equal(resize.to_rgb(x, (12, 10), kernel, way), x)


@pytest.mark.parametrize('way', ['antialias', 'legacy'])
def test_overshoots_are_clipped(way):
  x = 255 * np.kron(np.indices((3, 3)).sum(0) % 2, np.ones((8, 8)))[None, :, :, None]
  found = resize.to_rgb(x.astype(np.uint8), (37, 37), 'cubic', way)
  assert (found.min(), found.max()) == (0, 255)


def test_grey_is_three_equal_channels():
  x = images((20, 20), channels=1)
  found = resize.to_rgb(x, (13, 13), 'cubic', 'antialias')
  expected = resize.to_rgb(x.repeat(3, axis=-1), (13, 13), 'cubic', 'antialias')
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_transparency_shows_white():
  rgba = images((24, 32), channels=4)
  rgba[0, ..., 3], rgba[1, ..., 3] = 255, 0
  over = rgba[..., :3].copy()
  over[1] = 255
  prepare = lambda x: resize.to_rgb(x, (16, 16), 'linear', 'antialias')
  np.testing.assert_allclose(prepare(rgba), prepare(over), atol=1e-4)


def test_types_are_scaled_to_that_of_uint8():
  x = images((20, 20))
  prepare = lambda x: resize.to_rgb(x, (16, 16), 'linear', 'legacy')
  np.testing.assert_allclose(prepare(x.astype(np.uint16) * 257), prepare(x), atol=1e-3)
  np.testing.assert_array_equal(prepare(x.astype(np.float32)), prepare(x))


@pytest.mark.parametrize(
  'x', [jnp.zeros((1, 8, 8, 2)), jnp.zeros((1, 8, 8, 3), jnp.int32), jnp.zeros((8, 8, 3))]
)
def test_refuses_other_images(x):
  with pytest.raises(ValueError, match=rf'images are {x.dtype}.*C one of 1, 3, 4'):
    resize.to_rgb(x, (8, 8), 'linear', 'antialias')
