import numpy as np
import pytest

from gan_jax.ops import pixels


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_every_value_comes_back_and_the_ends_are_exact(dtype):
  values = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
  seen = pixels.to_model(values)
  assert seen.dtype == np.float32
  assert (seen[0], seen[-1]) == (-1.0, 1.0)
  np.testing.assert_array_equal(pixels.from_model(seen, dtype), values)


def test_values_outside_are_clipped_and_others_rounded():
  images = np.array([-2.0, -1.0, 0.0, 1.0, 1.5], np.float32)
  expected = {np.uint8: [0, 0, 128, 255, 255], np.uint16: [0, 0, 32768, 65535, 65535]}
  for dtype, values in expected.items():
    np.testing.assert_array_equal(pixels.from_model(images, dtype), values)


def test_pixels_that_are_not_rounded_are_on_the_scale_of_uint8():
  images = np.array([-2.0, -1.0, 0.1, 1.0, 1.5], np.float32)
  pixels_of = pixels.unrounded(images)
  np.testing.assert_allclose(pixels_of, [0, 0, 140.25, 255, 255], rtol=1e-6)
  np.testing.assert_allclose(pixels.to_model(pixels_of), images.clip(-1, 1), atol=1e-6)


def test_float32_is_on_the_scale_of_uint8():
  values = np.arange(256).astype(np.uint8)
  for function in (pixels.to_model, pixels.to_byte_scale):
    np.testing.assert_array_equal(function(values.astype(np.float32)), function(values))
  np.testing.assert_array_equal(pixels.to_byte_scale(values), values)
  assert pixels.to_byte_scale(np.array([0, 65535], np.uint16)).tolist() == [0, 255]


def test_other_types_are_refused():
  with pytest.raises(ValueError):
    pixels.to_model(np.zeros(3, np.float16))
