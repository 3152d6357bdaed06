"""How like two images are: pixels, and features of named networks, each as a share of the data's.

An image becomes one vector, of its pixels and its features, so scaled that the squared distance of
two of them is

    mean (x − y)² / variance of the data's pixels + weight · Σ |f(x) − f(y)|² / variance of f

summed over the networks. Image2StyleGAN (arXiv:1904.03189, Section 5.1) adds both likewise: pixels
alone are matched by blur, features alone leave pixels free.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.features.network import FeatureNetwork
from gan_jax.ops import pixels
from gan_jax.runtime.tree import PyTree

_AT_ONCE = 100  # images through a network


class Likeness(NamedTuple):
  """What images are compared by.

  Attributes:
    apply: of each network, `(params, images) -> (features, logits)`.
    arrays: parameters of the networks and the scales of their features and of pixels.
    pixel_variance: of the data, of pixels in [-1, 1], the mean over places and channels.
    of: what that is the variance of, in words.
  """

  apply: tuple[Callable[..., Any], ...]
  arrays: PyTree
  pixel_variance: float
  of: str

  def vectors(self, arrays: PyTree, images: jax.Array) -> jax.Array:
    """Vectors `[B, F]` of images `[B, H, W, C]` in [-1, 1], which are clipped to that.

    What is clipped still has a gradient: a pixel beyond white has no error where the target is
    white, and is pulled back where it is not.
    """
    clipped = images + jax.lax.stop_gradient(images.clip(-1, 1) - images)
    parts = [clipped.reshape(len(images), -1) * arrays['pixels']]
    seen = (clipped + 1) * 127.5
    for apply, (params, scale) in zip(self.apply, arrays['networks'], strict=True):
      parts.append(apply(params, seen)[0] * scale)
    return jnp.concatenate(parts, axis=1)

  def pixel_errors(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean squared differences of images as they are stored, as shares of the data's variance."""
    top = np.iinfo(first.dtype).max / 2
    squares = np.square((first.astype(np.float32) - second.astype(np.float32)) / top)
    return squares.mean(axis=(1, 2, 3)) / self.pixel_variance


def likeness(
  data: np.ndarray, of: str, networks: Sequence[FeatureNetwork] = (), weight: float = 1.0
) -> Likeness:
  """Learns the scales.

  Args:
    data: images whose variance errors are shares of, `[N, H, W, C]` uint8 or uint16, N from 2.
    of: what they are, in words.
    networks: whose features are compared beside the pixels.
    weight: of each network's features; pixels have 1.
  """
  shown = np.asarray(pixels.to_model(data))
  variance = max(float(shown.var(axis=0, dtype=np.float64).mean()), 1e-12)
  scales = []
  for network in networks:
    apply: Any = jax.jit(network.apply)
    parts = [data[n : n + _AT_ONCE] for n in range(0, len(data), _AT_ONCE)]
    features = np.concatenate([np.asarray(apply(network.params, part)[0]) for part in parts])
    total = max(float(features.var(axis=0, dtype=np.float64).sum()), 1e-12)
    scales.append((network.params, np.float32((weight / total) ** 0.5)))
  size = int(np.prod(data.shape[1:]))
  arrays = {'pixels': np.float32((size * variance) ** -0.5), 'networks': scales}
  return Likeness(tuple(n.apply for n in networks), arrays, variance, of)
