"""Finds images that look the same: a hash of coarse structure proposes, a thumbnail decides.

The hash holds the signs of low frequencies of the discrete cosine transform of the luminance (the
idea of pHash; C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010).
Signs change less than comparisons with the median, where bits change in pairs.

Measured on MNIST digits, Fashion-MNIST, game sprites and 68 photographs: of copies saved as JPEG of
quality 75, scaled by 0.9 or 1.1, or brightened by 2 levels, the hash of 94 % or more stays within
`RADIUS` bits, and 91 % or more are found (the worst are 28 pixels scaled by 0.9; of the others 93 %
or more). Of all pairs of 5,000 distinct digits 1,145 are within `RADIUS` bits and none has
thumbnails that differ by less than `THRESHOLD`; of 5,000 Fashion-MNIST images 403 and none.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, sparse
from scipy.sparse import csgraph

SIDE = 32  # of the images that are hashed, in pixels
RADIUS = 3  # bits that hashes of copies may differ in
THRESHOLD = 0.03  # root mean square difference of thumbnails of copies, relative to their range

_BAND = 16  # bits; with four bands, 3 differing bits leave one band as it is
_BANDS = 4
# The 64 lowest frequencies by `u + v`, without the mean, which brightness alone decides.
_U, _V = np.divmod(np.arange(SIDE * SIDE), SIDE)
_LOWEST = np.lexsort((_U, _U + _V))[1:65]
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601: what JPEG keeps best

# What bounds the time for degenerate data; none of 70,000 ordinary images comes near.
_COMPARISONS = 10**9  # of hashes: some ten seconds
_PAIR_COST = 250  # comparisons of hashes that take as long as one of thumbnails
_ROUNDS = 64  # distinct images of one hash that are told apart
_CHUNK = 4096  # pairs of thumbnails compared at once


class Groups(NamedTuple):
  """Images that look the same.

  Attributes:
    label: int `[n]`, equal for images of one group; an image alone has a label of its own.
    complete: False where the search was cut short, so that groups may be missing.
  """

  label: np.ndarray
  complete: bool


def signature(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Makes hashes and thumbnails.

  Args:
    images: float `[n, 32, 32, C]` in [0, 1], antialiased; C of 1, 3 or 4 (RGBA).

  Returns:
    Hashes, uint64 `[n]`, and thumbnails, float16 `[n, 16, 16, C]`, colour multiplied with alpha.
  """
  n, C = len(images), images.shape[-1]
  seen = images[..., :3]
  if images.shape[-1] == 4:
    alpha = images[..., 3:]
    images = np.concatenate([seen * alpha, alpha], -1)
    seen = seen * alpha + (1 - alpha) / 2  # over mid-grey black and white both show
  grey = seen[..., 0] if C == 1 else seen @ _LUMINANCE
  waves = fft.dctn(grey, axes=(1, 2)).reshape(-1, SIDE * SIDE)[:, _LOWEST]
  packed = np.ascontiguousarray(np.packbits(waves > 0, axis=1))
  thumbnails = images.reshape(n, SIDE // 2, 2, SIDE // 2, 2, C).mean((2, 4))
  return packed.view(np.uint64).reshape(n), thumbnails.astype(np.float16)


def near(hashes: np.ndarray, comparisons: int = _COMPARISONS) -> tuple[np.ndarray, bool]:
  """Finds all pairs of hashes that differ in at most `RADIUS` bits, each pair once.

  Two such hashes agree in one of four bands at least (the pigeonhole principle), so that only
  neighbours in an order by each band are compared.

  Args:
    hashes: uint64 `[n]`.
    comparisons: after about as many the search is cut short.

  Returns:
    Places of the pairs, `[m, 2]`, and whether these are all.
  """
  found, complete = [np.empty((0, 2), np.intp)], True
  for band in range(_BANDS):
    turned = np.bitwise_left_shift(hashes, np.uint64(_BAND * band))
    if band:
      turned |= np.right_shift(hashes, np.uint64(64 - _BAND * band))
    order = np.argsort(turned, kind='stable')
    turned = turned[order]
    top = turned >> np.uint64(64 - _BAND)
    left = comparisons // _BANDS
    places = np.arange(len(hashes))
    for step in range(1, len(hashes)):
      places = places[: np.searchsorted(places, len(hashes) - step)]
      places = places[top[places] == top[places + step]]
      if not places.size:
        break
      if left < 0:
        complete = False
        break
      difference = turned[places] ^ turned[places + step]
      close = np.bitwise_count(difference) <= RADIUS
      for earlier in range(band):  # found there already where that band is equal
        close &= (difference >> np.uint64(_BAND * earlier)) & np.uint64(2**_BAND - 1) != 0
      found.append(np.stack([order[places[close]], order[places[close] + step]], 1))
      left -= places.size + _PAIR_COST * len(found[-1])
  return np.concatenate(found), complete


def distances(thumbnails: np.ndarray, pairs: np.ndarray) -> np.ndarray:
  """Root mean square differences of pairs `[m, 2]` of thumbnails, relative to the larger range."""
  result = np.empty(len(pairs), np.float32)
  for start in range(0, len(pairs), _CHUNK):
    part = pairs[start : start + _CHUNK]
    both = thumbnails[part].astype(np.float32).reshape(len(part), 2, -1)
    spread = np.ptp(both, axis=2).max(1)
    error = np.sqrt(np.square(both[:, 0] - both[:, 1]).mean(1))
    result[start : start + _CHUNK] = error / np.maximum(spread, 1e-6)
  return result


def group(hashes: np.ndarray, thumbnails: np.ndarray) -> Groups:
  """Groups images that look the same; sameness is passed on from pair to pair.

  Args:
    hashes: uint64 `[n]`.
    thumbnails: `[n, 16, 16, C]`, as `signature` makes them.
  """
  leaders, pairs, told_apart = _of_one_hash(hashes, thumbnails)
  across, complete = near(hashes[leaders])
  pairs = np.concatenate([pairs, leaders[across]])
  pairs = pairs[distances(thumbnails, pairs) < THRESHOLD]
  n = len(hashes)
  if not n:
    return Groups(np.empty(0, np.int32), True)
  graph = sparse.coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(n, n))
  label = csgraph.connected_components(graph, directed=False)[1]
  return Groups(label, complete and told_apart)


def _of_one_hash(hashes: np.ndarray, thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
  """Compares images of equal hashes, in rounds: each with the first of them still unlike any.

  Thousands of equal images thus take thousands of comparisons, not millions.

  Returns:
    Images that are unlike each other, one or more a hash; pairs `[m, 2]` of those with the others
    like them; whether every image is in one or the other.
  """
  rest = np.argsort(hashes, kind='stable')
  leaders, pairs = [rest[:0]], [np.empty((0, 2), np.intp)]
  for _ in range(_ROUNDS):
    if not rest.size:
      break
    first = np.append(True, hashes[rest[1:]] != hashes[rest[:-1]])
    leader = rest[first][np.cumsum(first) - 1]
    compared = np.stack([leader, rest], 1)
    same = first | (distances(thumbnails, compared) < THRESHOLD)
    leaders.append(rest[first])
    pairs.append(compared[same & ~first])
    rest = rest[~same]
  return np.concatenate(leaders), np.concatenate(pairs), not rest.size
