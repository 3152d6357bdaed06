"""DiffAugment against NumPy renderings of the same draws."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.training import draws
from gan_jax.training.augment import diffaugment

SETTINGS = diffaugment.Settings()


def keys(count, seed=0):
  return draws.per_example(jax.random.key(seed), jnp.arange(count))


def images(count=6, channels=3, height=16, width=16, seed=0):
  rng = np.random.default_rng(seed)
  return rng.uniform(-1, 1, (count, height, width, channels)).astype(np.float32)


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_colour_is_brightness_then_saturation_then_contrast(channels):
  x = images(channels=channels)
  found = diffaugment.color(keys(6), x, SETTINGS)
  b, s, c = (np.asarray(v) for v in diffaugment.draw_color(keys(6), SETTINGS))
  colour = x[..., :3] + b
  if channels > 1:
    grey = colour.mean(axis=-1, keepdims=True)
    colour = (colour - grey) * s + grey
  mean = colour.mean(axis=(1, 2, 3), keepdims=True)
  np.testing.assert_allclose(found[..., :3], (colour - mean) * c + mean, atol=1e-5)
  if channels == 4:
    np.testing.assert_array_equal(found[..., 3], x[..., 3])


def test_draws_of_colour_are_even_over_their_ranges():
  b, s, c = (np.ravel(v) for v in diffaugment.draw_color(keys(4000), SETTINGS))
  for value, middle, half in ((b, 0, 0.5), (s, 1, 1), (c, 1, 0.5)):
    assert abs(value.mean() - middle) < 0.05 * half
    np.testing.assert_allclose(
      [value.min(), value.max()], [middle - half, middle + half], atol=0.01
    )
    np.testing.assert_allclose(value.std(), half / np.sqrt(3), rtol=0.05)


@pytest.mark.parametrize(('height', 'width', 'channels'), [(16, 16, 3), (12, 21, 4), (16, 16, 1)])
def test_translation_moves_whole_pixels_and_uncovers_grey_or_nothing(height, width, channels):
  x = images(20, channels, height, width)
  found = np.asarray(diffaugment.translation(keys(20), x, SETTINGS))
  shifts = diffaugment.draw_translation(keys(20), (height, width), SETTINGS)
  uncovered = np.array([0, 0, 0, -1.0])[:channels]
  for image, result, down, right in zip(x, found, *map(np.asarray, shifts), strict=True):
    expected = np.tile(uncovered, (height, width, 1))
    for i in range(height):
      for j in range(width):
        if 0 <= i - down < height and 0 <= j - right < width:
          expected[i, j] = image[i - down, j - right]
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_shifts_are_even_and_reach_both_ends():
  down, right = (
    np.asarray(v) for v in diffaugment.draw_translation(keys(4000), (16, 32), SETTINGS)
  )
  for value, most in ((down, 2), (right, 4)):
    counts = np.bincount(value + most)
    assert len(counts) == 2 * most + 1
    assert counts.min() > 0.8 * 4000 / (2 * most + 1)


@pytest.mark.parametrize(('side', 'share'), [(16, 0.5), (15, 0.5), (16, 0.2)])
def test_cutout_is_a_clipped_rectangle_whose_middle_is_anywhere(side, share):
  settings = dataclasses.replace(SETTINGS, cutout=share)
  x = images(300, 4, side, side)
  found = np.asarray(diffaugment.cutout(keys(300), x, settings))
  top, left = (np.asarray(v) for v in diffaugment.draw_cutout(keys(300), (side, side), settings))
  n = int(side * share + 0.5)
  for image, result, y, x0 in zip(x, found, top, left, strict=True):
    expected = image.copy()
    expected[max(y, 0) : max(y + n, 0), max(x0, 0) : max(x0 + n, 0)] = [0, 0, 0, -1]
    np.testing.assert_array_equal(result, expected)
  middles = top + n // 2
  assert middles.min() == 0
  assert middles.max() == (side if n % 2 == 0 else side - 1)


def test_strength_is_the_probability_of_each_group():
  x = images(2000, 1, 4, 4)
  run = jax.jit(functools.partial(diffaugment.augment, settings=SETTINGS))
  np.testing.assert_array_equal(run(keys(2000), x, jnp.float32(0)), x)
  for policy in ('color', 'cutout'):
    settings = dataclasses.replace(SETTINGS, policy=policy)
    half = diffaugment.augment(keys(2000), x, jnp.float32(0.5), settings)
    changed = (np.asarray(half) != x).any(axis=(1, 2, 3))
    assert abs(changed.mean() - 0.5) < 0.05
    whole = diffaugment.augment(keys(2000), x, jnp.float32(1), settings)
    assert (np.asarray(whole) != x).any(axis=(1, 2, 3)).all()


def test_an_image_draws_the_same_in_any_batch_and_moves_in_a_straight_line():
  x, other = images(5), images(5, seed=1)
  run = jax.jit(lambda k, x: diffaugment.augment(k, x, jnp.float32(1), SETTINGS))
  np.testing.assert_allclose(run(keys(5)[3:4], x[3:4])[0], run(keys(5), x)[3], atol=1e-6)
  np.testing.assert_allclose(
    run(keys(5), (x + other) / 2), (run(keys(5), x) + run(keys(5), other)) / 2, atol=1e-5
  )


def test_the_order_of_a_policy_is_the_order_of_its_names():
  x = images(4)
  run = lambda policy: diffaugment.augment(
    keys(4), x, jnp.float32(1), dataclasses.replace(SETTINGS, policy=policy)
  )
  first, second = run('color, cutout'), run('cutout,color')
  assert not np.allclose(first, second)
  assert (
    diffaugment.augment(keys(4), x.astype(jnp.bfloat16), jnp.float32(1), SETTINGS).dtype
    == jnp.bfloat16
  )


@pytest.mark.parametrize(
  ('change', 'match'),
  [
    ({'policy': 'color,cutoff'}, "policy='color,cutoff': did you mean 'cutout'"),
    ({'cutout': 1.5}, 'config.diffaugment.cutout=1.5'),
    ({'translation': -0.1}, 'config.diffaugment.translation=-0.1'),
  ],
)
def test_settings_out_of_range_are_refused(change, match):
  with pytest.raises(UserError, match=match):
    diffaugment.check(dataclasses.replace(SETTINGS, **change), 3)
