"""Perceptual path length (Karras et al., arXiv:1812.04948, Sec. 4.1), on any features.

How fast the features of an image change as its latent moves along an arc between two others: the
mean of |φ(G(slerp(z₁, z₂; t + ε))) - φ(G(slerp(z₁, z₂; t)))|² / ε². The published numbers are on
VGG16 with learned weights (LPIPS); those on other features are not comparable with them, nor are
those of generators that take latents of another kind.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.estimate import Estimate, from_error

SCORES = {'path_length': False}
NEEDS = ('pairs',)
# Ten times the published one: on a DCGAN of 32 pixels, trained or not, and a classifier's features
# the score is 0.3 % below its limit then. At 1e-4 rounding to float32 adds up to 2 % where images
# hardly change, at 3e-5 up to 20 %; at 1e-2 the chord is up to 3 % too short.
EPSILON = 1e-3
_TRIM = 1  # percent left out at either end


def compute(first: np.ndarray, second: np.ndarray, epsilon: float) -> dict[str, Estimate]:
  """Averages the squared speed over pairs.

  As in the code of StyleGAN, what is below the 1st and above the 99th percentile is left out; the
  interval is that of such a trimmed mean (Tukey and McLaughlin 1963, Sankhya A 25).

  Args:
    first: features of the images at t, `[N, F]`.
    second: those at t + epsilon.
    epsilon: how far apart they are on the path from 0 to 1.

  Raises:
    UserError: for fewer than two pairs.
  """
  count = len(first)
  if count < 2:
    raise UserError(f'path_length: {count} pairs of generated images; needed: at least 2')
  difference = second.astype(np.float64) - first.astype(np.float64)
  distances = np.sum(np.square(difference), axis=1) / epsilon**2
  low = np.percentile(distances, _TRIM, method='lower')
  high = np.percentile(distances, 100 - _TRIM, method='higher')
  kept = distances[(low <= distances) & (distances <= high)]
  share = len(kept) / count
  error = np.std(distances.clip(low, high), ddof=1) / (share * np.sqrt(count))
  return {'path_length': from_error(float(kept.mean()), float(error))}
