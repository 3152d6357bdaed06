"""How DiffAugment's draws are spread, and how often its groups fire."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.training import draws as draws_of
from gan_jax.training.augment import diffaugment
from gan_jax.training.augment.diffaugment import Settings

MANY = 4000


def keys(count):
  return draws_of.per_example(jax.random.key(0), jnp.arange(count))


def colours(keys, settings):
  """Rows of brightness, saturation and contrast."""
  return np.stack([np.asarray(x).reshape(-1) for x in diffaugment.draw_color(keys, settings)], 1)


def uniform_among(found, low, high):
  """Whether whole numbers are evenly spread from low to high, both ends reached."""
  values, counts = np.unique(found, return_counts=True)
  np.testing.assert_array_equal(values, np.arange(low, high + 1))
  return low == high or scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
  ('size', 'share', 'most'),
  [
    ((16, 16), 0.125, (2, 2)),
    ((20, 11), 0.125, (3, 1)),  # halves upwards: 2.5 is 3
    ((5, 8), 1.0, (5, 8)),
    ((9, 9), 0.0, (0, 0)),
  ],
)
def test_shifts_are_even_over_whole_pixels(size, share, most):
  draws = diffaugment.draw_translation(keys(MANY), size, Settings(translation=share))
  for found, k in zip(draws, most, strict=True):
    assert uniform_among(found, -k, k)
  if min(most):
    assert abs(np.corrcoef(*draws)[0, 1]) < 4 / math.sqrt(MANY)


@pytest.mark.parametrize(
  ('size', 'share', 'starts'),
  [
    ((16, 12), 0.5, ((-4, 12), (-3, 9))),  # even rectangles: a middle at both borders
    ((9, 10), 0.5, ((-2, 6), (-2, 7))),  # 5 of 9, 5 of 10: odd, the middle is a pixel
    ((16, 8), 0.2, ((-1, 14), (-1, 7))),  # 3 of 16, 2 of 8
  ],
)
def test_rectangles_have_their_middle_anywhere_in_the_image(size, share, starts):
  draws = diffaugment.draw_cutout(keys(MANY), size, Settings(cutout=share))
  for found, (first, last) in zip(draws, starts, strict=True):
    assert uniform_among(found, first, last)
  assert abs(np.corrcoef(*draws)[0, 1]) < 4 / math.sqrt(MANY)


def test_colours_are_even_between_their_widths():
  draws = colours(keys(MANY), Settings(brightness=0.3))
  for found, (low, high) in zip(draws.T, [(-0.3, 0.3), (0, 2), (0.5, 1.5)], strict=True):
    assert scipy.stats.kstest(found, 'uniform', (low, high - low)).pvalue > 1e-3
    assert low <= found.min() < low + 0.01 * (high - low)
    assert high >= found.max() > high - 0.01 * (high - low)
  correlations = np.corrcoef(draws.T)[~np.eye(3, dtype=bool)]
  assert np.abs(correlations).max() < 4 / math.sqrt(MANY)


@pytest.mark.parametrize('strength', [0.2, 0.5])
def test_groups_fire_each_on_its_own_as_often_as_the_strength_says(strength):
  """Of an image that shows it; a shift by nothing is told from its draw."""
  images, fired = np.full((MANY, 8, 8, 1), 0.75, np.float32), []
  for name in diffaugment.policy(Settings()):
    _, (own,) = diffaugment.draw_keys(keys(MANY), [name])
    shows = np.ones(MANY, bool)
    if name == 'translation':
      shows = np.any(diffaugment.draw_translation(own, (8, 8), Settings()), axis=0)
    only = Settings(policy=name)
    function = jax.jit(lambda k, x, s=only: diffaugment.augment(k, x, jnp.float32(strength), s))
    found = np.asarray(function(keys(MANY), images))
    fired.append((found != images).any(axis=(1, 2, 3)))
    assert not fired[-1][~shows].any()
    share = strength * shows.mean()
    assert abs(fired[-1].mean() - share) < 4 * math.sqrt(share * (1 - share) / MANY)
  correlations = np.corrcoef(np.stack(fired))[~np.eye(3, dtype=bool)]
  assert np.abs(correlations).max() < 4 / math.sqrt(MANY)
