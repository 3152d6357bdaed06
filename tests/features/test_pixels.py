"""Pixels as features."""

import numpy as np
import pytest

from gan_jax.features import pixels
from gan_jax.features.network import Request
from gan_jax.runtime import parallel


def load(way='antialias'):
  return pixels.load(Request(None, None, resize=way))


def images(size, channels=3):
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (5, *size, channels)).astype(np.uint8)


@pytest.mark.parametrize('way', ['antialias', 'legacy'])
@pytest.mark.parametrize(('size', 'channels'), [((8, 8), 1), ((32, 20), 3), ((16, 16), 4)])
def test_small_images_are_their_own_features(size, channels, way):
  x = images(size, channels)
  features, logits = load(way).apply({}, x)
  assert logits is None
  assert features.dtype == np.float32
  np.testing.assert_allclose(features, x.reshape(5, -1) / 255, atol=1e-6)


def test_large_sides_are_scaled_to_32_pixels():
  features, _ = load().apply({}, images((64, 20)))
  assert features.shape == (5, 32 * 20 * 3)
  flat = np.full((1, 100, 70, 1), 51, np.uint8)
  np.testing.assert_allclose(load().apply({}, flat)[0], np.full((1, 32 * 32), 0.2), atol=1e-6)


def test_antialiased_every_pixel_counts_and_without_only_some():
  """A fine chequerboard is grey."""
  board = np.indices((128, 128)).sum(0)[None, :, :, None] % 2 * np.uint8(255)
  board[:, :, 64:] = 255 * (np.arange(64) % 4 == 0)[:, None]
  board = board.astype(np.uint8)
  antialias, legacy = (load(way).apply({}, board)[0].reshape(32, 32) for way in WAYS)
  np.testing.assert_allclose(antialias[4:-4, 2:14], 0.5, atol=0.02)
  np.testing.assert_allclose(antialias[4:-4, 18:30], 0.25, atol=0.02)
  assert np.abs(legacy[4:-4, 18:30] - 0.25).min() > 0.2


WAYS = ('antialias', 'legacy')


def test_the_two_ways_have_names_of_their_own():
  assert [(load(way).name, load(way).resize) for way in WAYS] == [
    ('pixels', 'antialias'),
    ('pixels_legacy', 'legacy'),
  ]


def test_runs_over_batches_like_any_network():
  network, x = load(), images((16, 16))
  run = parallel.map_batches(network.apply, 8)
  parts = list(run(parallel.replicate(network.params), x))
  assert all(logits is None for _, logits in parts)
  features = np.concatenate([pooled for pooled, _ in parts])
  np.testing.assert_allclose(features, x.reshape(5, -1) / 255, atol=1e-6)
