"""The pixels themselves as features: what a score says without any network's idea of images."""

import functools

import jax
import jax.numpy as jnp

from gan_jax.features import resize
from gan_jax.features.network import FeatureNetwork, Request, Resize, score_name
from gan_jax.ops.pixels import to_byte_scale

RESIZES = True
TAKES_WEIGHTS = False

_LARGEST = 32  # pixels on a side: with colour 3,072 numbers, of which covariances take seconds


def load(request: Request) -> FeatureNetwork:
  """Makes the map; there are no weights.

  Args:
    request: of it `resize`. `legacy` is bilinear interpolation without a filter.

  Returns:
    The network. Its `apply` gives the pixels of all channels in [0, 1], row by row, of the image
    or, where a side is longer than 32 pixels, of the image with that side scaled to 32; and None
    for logits.
  """
  way = request.resize
  scaling = 'bilinear, not antialiased' if way == 'legacy' else 'antialiased bilinear'
  return FeatureNetwork(
    name=score_name('pixels', request.resize),
    params={},
    apply=functools.partial(_apply, way=way),
    description={'input': f'at most {_LARGEST}x{_LARGEST}, {scaling} resize, in [0, 1]'},
    resize=way,
  )


def shape(image: tuple[int, ...]) -> tuple[int, int, int]:
  """The shape `(H, W, C)` that the features of an image of such a shape are those of, flattened."""
  height, width, channels = image
  return min(height, _LARGEST), min(width, _LARGEST), channels


@functools.partial(jax.jit, static_argnames='way')
def _apply(params: dict, images: jax.Array, way: Resize) -> tuple[jax.Array, None]:
  del params
  resize.check(images, channels=(1, 3, 4))
  height, width, _ = shape(images.shape[1:])
  x = resize.scale(to_byte_scale(images), (height, width), 'linear', way)
  return jnp.reshape(x / 255, (len(x), -1)), None
