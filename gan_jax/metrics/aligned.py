"""Distance of images that may be shifted, mirrored, brighter or of more contrast.

Images are brought to mean 0 and length 1, which takes offset and gain of brightness away; of all
shifts, found by products of spectra, and of both sides the nearest counts. Shifts go round: what
leaves on one side comes in on the other.

Nearest neighbours under that distance are searched in two steps. The magnitudes of the spectrum do
not change by a shift, and those of an image added to its mirror image's not by mirroring: their
distance is 0 for what is the same after alignment. The nearest by them are then aligned.
"""

import numpy as np
from scipy import fft

_AT_ONCE = 2**17  # numbers in a block, which stays within a cache


def normalised(images: np.ndarray) -> np.ndarray:
  """Images `[N, H, W, C]` with mean 0 and length 1, float32; those of one colour are 0."""
  x = images.astype(np.float32)
  x -= x.mean(axis=(1, 2, 3), keepdims=True)
  length = np.sqrt(np.einsum('nhwc,nhwc->n', x, x))[:, None, None, None]
  tiny = 1e-6 * np.sqrt(x[0].size) * max(1.0, float(np.abs(images).max(initial=0)))
  return np.where(length > tiny, x / np.maximum(length, tiny), 0)


def spectra(images: np.ndarray) -> np.ndarray:
  """Features `[N, F]`, float32, of normalised images: equal for all shifts and mirrorings."""
  found = np.abs(_transformed(images))
  flipped = np.abs(_transformed(images[:, :, ::-1]))
  return (found + flipped).reshape(len(images), -1)


def distances(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
  """Distances `[N, K]`, from 0 to 2, of x to those of y that `rows` names, at best alignment.

  Args:
    x: normalised images `[N, H, W, C]`.
    y: normalised images `[M, H, W, C]`.
    rows: of y, `[N, K]`.
  """
  size = x.shape[1:3]
  others = _transformed(y)
  found = np.empty(rows.shape)
  step = max(1, _AT_ONCE // (rows.shape[1] * x[0].size))
  for start in range(0, len(x), step):
    part = slice(start, start + step)
    theirs = others[rows[part]]
    best = np.full(theirs.shape[:2], -np.inf, np.float32)
    for own in (x[part], x[part, :, ::-1]):
      # Conjugated here and not among the many: the same correlations, in the opposite order.
      products = np.conj(_transformed(own))[:, None] * theirs
      summed = products.sum(axis=2) if products.shape[2] > 1 else products[:, :, 0]
      correlation = fft.irfft2(summed, s=size, axes=(2, 3), overwrite_x=True)
      np.maximum(best, correlation.max(axis=(2, 3)), out=best)
    found[part] = np.sqrt(np.maximum(0, 2 - 2 * best))
  return found


def _transformed(images: np.ndarray) -> np.ndarray:
  """Spectra `[N, C, H, W // 2 + 1]`, complex64, of images `[N, H, W, C]`."""
  return fft.rfft2(np.ascontiguousarray(np.moveaxis(images, 3, 1)), axes=(2, 3))
