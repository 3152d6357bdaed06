"""Pictures for tests: random, but with the spectrum of photographs."""

import numpy as np
from PIL import Image


def scene(seed, size=(96, 64)):
  """A coloured picture whose waves are the weaker the shorter they are."""
  rng = np.random.default_rng(seed)
  total = np.zeros((size[1], size[0], 3), np.float32)
  for cells in (2, 4, 8, 16, 32):
    for channel in range(3):
      noise = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
      total[..., channel] += np.asarray(noise.resize(size, Image.Resampling.BICUBIC)) / cells
  return Image.fromarray((115 + 70 * total).clip(0, 230).astype(np.uint8))
