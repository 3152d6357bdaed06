"""Images as the discriminator sees them, for the eye."""

import numpy as np
import pytest

from configs import default
from gan_jax import build
from gan_jax.runtime import parallel
from gan_jax.training import augmentation
from gan_jax.training.augment import diffaugment


@pytest.mark.parametrize(
  ('changes', 'most'),
  [
    ({'augment.strength': 0.25}, 0.25),
    ({'augment.strength': 0.25, 'augment.strength_final': 0.75, 'anneal_images': 10}, 0.75),
    ({'augment.strength': 0.75, 'augment.strength_final': 0.25, 'anneal_images': 10}, 0.75),
    ({'augment.adaptive': True, 'augment.maximum': 0.5}, 0.5),
  ],
)
def test_they_are_shown_at_the_greatest_strength_and_as_many_as_there_are(
  changes, most, monkeypatch
):
  config = default.get_config()
  config.dataset.resolution, config.dcgan.width = 16, 4
  config.augment.names = ('diffaugment',)
  config.update_from_flattened_dict(changes)
  seen = []

  def augment(module, settings, keys, images, strength):
    seen.append((module, len(keys)))
    return images * 0 + 2 * strength - 1

  monkeypatch.setattr(augmentation, '_augment', augment)
  parts = build.networks(config, 1, 0)
  images = np.zeros((3, 16, 16, 1), np.uint8)
  found = build.augmented(config, parts, images)
  assert (found.dtype, found.shape) == (np.uint8, images.shape)
  np.testing.assert_allclose(found, 255 * most, atol=1)
  assert seen == [(diffaugment, 3)]
  config.augment.names, config.augment.adaptive = (), False
  assert build.augmented(config, parts, images) is None


def test_large_images_are_augmented_a_few_at_a_time_to_the_same_pixels(monkeypatch):
  config = default.get_config()
  config.dataset.resolution, config.dcgan.width = 16, 4
  config.augment.names = ('diffaugment',)
  parts = build.networks(config, 1, 0)
  images = np.random.default_rng(0).integers(0, 256, (19, 16, 16, 1), np.uint8)
  whole = build.augmented(config, parts, images)
  monkeypatch.setattr(parallel, '_IMAGE_BYTES', 1)
  np.testing.assert_array_equal(build.augmented(config, parts, images), whole)
