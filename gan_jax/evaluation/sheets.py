"""Images of a subject by how near they are to real ones: the best tenth, the middle, the worst.

A picture of a few chosen samples shows the taste of who chose. Here the order is by distance to the
fifth nearest real image in a network's features, the inverse of a density of reals (the estimate of
Loftsgaarden and Quesenberry 1965, doi:10.1214/aoms/1177700079), and within a tenth it is by chance.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.metrics import neighbours
from gan_jax.sampling.grid import enlarged, opaque, save_grid

FOLDER = 'tenths'
_NEIGHBOUR = 5
_SHOWN = 50  # images of each tenth
_COLUMNS = 10
_LEAST_SIDE = 48  # pixels of an image: smaller ones are enlarged


class Tenth(NamedTuple):
  """Some images of a tenth of a subject's.

  Attributes:
    name: best, median or worst.
    images: `[n, H, W, C]`, as they came, in an order by chance.
    distances: to the fifth nearest real image, the least and the largest of the whole tenth.
  """

  name: str
  images: np.ndarray
  distances: tuple[float, float]


def tenths(images: np.ndarray, generated: np.ndarray, real: np.ndarray, seed: int) -> list[Tenth]:
  """The best, the middle and the worst tenth of images, at least one image each.

  Args:
    images: `[N, H, W, C]`.
    generated: their features, `[N, F]`.
    real: features of real images, `[M, F]`; of fewer than five the farthest counts.
    seed: of the choice within a tenth, of at most 50 images.
  """
  distances = neighbours.kth(generated, real, min(_NEIGHBOUR, len(real)))
  order = np.argsort(distances, kind='stable')
  size = max(1, len(order) // 10)
  firsts = {'best': 0, 'median': (len(order) - size) // 2, 'worst': len(order) - size}
  rng, parts = np.random.default_rng(seed), []
  for name, first in firsts.items():
    tenth = order[first : first + size]
    ends = float(distances[tenth[0]]), float(distances[tenth[-1]])
    parts.append(Tenth(name, images[rng.permutation(tenth)[:_SHOWN]], ends))
  return parts


def write(parts: Sequence[Tenth], folder: str) -> None:
  """Writes `best.png`, `median.png` and `worst.png`, small images enlarged.

  Large ones are scaled, and all of them in full size in the folders `best`, `median`, `worst`.
  """
  os.makedirs(folder, exist_ok=True)
  for part in parts:
    times = -(-_LEAST_SIDE // min(part.images.shape[1:3]))
    images = enlarged(opaque(part.images), times) if times > 1 else part.images
    save_grid(os.path.join(folder, f'{part.name}.png'), images, _COLUMNS, range(len(images)))
