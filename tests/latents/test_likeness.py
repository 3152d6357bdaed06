import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.features.network import FeatureNetwork
from gan_jax.latents.likeness import likeness


def images(dtype=np.uint8, channels=3):
  top = np.iinfo(dtype).max
  return np.random.default_rng(0).integers(0, top, (40, 8, 6, channels), dtype, endpoint=True)


def brightness(params, images):
  return params * jnp.asarray(images, jnp.float32).mean(axis=(1, 2)), None


@pytest.mark.parametrize(('given', 'weight'), [({'weight': 0.5}, 0.5), ({}, 1.0)])
def test_squared_distances_are_shares_of_the_variance(given, weight):
  data = images()
  network = FeatureNetwork('brightness', jnp.float32(2), brightness, {})
  found = likeness(data, 'noise', [network], **given)
  shown = data / 127.5 - 1
  vectors = np.asarray(found.vectors(found.arrays, jnp.asarray(shown, jnp.float32)))
  pixel = np.mean((shown[0] - shown[1]) ** 2) / shown.var(axis=0).mean()
  features = 2 * data.mean(axis=(1, 2))
  feature = np.sum((features[0] - features[1]) ** 2) / features.var(axis=0).sum()
  distance = np.sum((vectors[0] - vectors[1]) ** 2)
  np.testing.assert_allclose(distance, pixel + weight * feature, rtol=1e-4)
  np.testing.assert_allclose(found.pixel_errors(data[:1], data[1:2]), [pixel], rtol=1e-4)


def test_sixteen_bits_are_the_same_shares():
  data = images(channels=1)
  deep = data.astype(np.uint16) * 257
  one, other = likeness(data, ''), likeness(deep, '')
  np.testing.assert_allclose(one.pixel_variance, other.pixel_variance, rtol=1e-5)
  np.testing.assert_allclose(
    one.pixel_errors(data[:3], data[3:6]), other.pixel_errors(deep[:3], deep[3:6]), rtol=1e-4
  )


def test_a_pixel_beyond_white_has_no_error_at_white_and_is_pulled_back_elsewhere():
  found = likeness(images(), '')
  beyond = jnp.full((1, 8, 6, 3), 1.5)
  error = lambda x, target: jnp.sum(
    (found.vectors(found.arrays, x) - found.vectors(found.arrays, target)) ** 2
  )
  white = jnp.ones((1, 8, 6, 3))
  np.testing.assert_array_equal(jax.grad(error)(beyond, white), 0)
  assert (jax.grad(error)(beyond, 0 * white) > 0).all()
