"""Images of any size, type and number of channels, as a feature network takes them.

Two ways of scaling, which give scores that cannot be compared (Parmar et al., arXiv:2104.11222):
`antialias` widens the filter where an image shrinks, so that every pixel counts, as Pillow does;
`legacy` looks at the nearest pixels alone, as `torch.nn.functional.interpolate` does without
`align_corners` and `antialias`. Both have pixel centres at halves and scale the axes separately.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.features.network import Resize
from gan_jax.ops import pixels

Filter = Literal['linear', 'cubic']

# The slope at distance 1 of Keys' cubic kernel (1981, IEEE TASSP 29): PyTorch's; Pillow has -1/2.
_LEGACY_SLOPE = -0.75


def to_rgb(images: jax.Array, size: tuple[int, int], kernel: Filter, resize: Resize) -> jax.Array:
  """Brings images to the size and the three channels that a network was trained with.

  Args:
    images: `[B, H, W, C]` uint8, uint16, or float32 on the scale of uint8. Grey images (C of 1) get
      three equal channels, transparent ones (C of 4) are laid over white.
    size: height and width of the result.
    kernel: of the interpolation.
    resize: which way.

  Returns:
    `[B, *size, 3]` float32, 0 to 255; a cubic kernel's overshoots are clipped.

  Raises:
    ValueError: if the images are of another type or have another number of channels.
  """
  check(images, channels=(1, 3, 4))
  x = pixels.to_byte_scale(images)
  if x.shape[-1] == 4:
    alpha = x[..., 3:] / 255
    x = x[..., :3] * alpha + 255 * (1 - alpha)
  x = scale(x, size, kernel, resize)
  if kernel == 'cubic':
    x = jnp.clip(x, 0, 255)
  return jnp.broadcast_to(x, (*x.shape[:3], 3))


def check(images: jax.Array, channels: tuple[int, ...]) -> None:
  """Raises ValueError for what is no batch of images of a type and number of channels taken."""
  types = (jnp.uint8, jnp.uint16, jnp.float32)
  if images.ndim == 4 and images.dtype in types and images.shape[-1] in channels:
    return
  found = f'{images.dtype}{list(images.shape)}'
  accepted = ', '.join(map(str, channels))
  raise ValueError(
    f'images are {found}, accepted are uint8, uint16 or float32[B, H, W, C], C one of {accepted}'
  )


def scale(x: jax.Array, size: tuple[int, int], kernel: Filter, resize: Resize) -> jax.Array:
  """Scales `[B, H, W, C]` float32 to `[B, *size, C]`; see the module for the two ways."""
  if x.shape[1:3] == size:
    return x
  if resize == 'antialias':
    return jax.image.resize(x, (x.shape[0], *size, x.shape[-1]), kernel, antialias=True)
  rows, columns = (legacy_weights(n, m, kernel) for n, m in zip(x.shape[1:3], size, strict=True))
  high = jax.lax.Precision.HIGHEST
  x = jnp.einsum('ah,bhwc->bawc', rows, x, precision=high)
  return jnp.einsum('aw,bhwc->bhac', columns, x, precision=high)


def legacy_weights(inputs: int, outputs: int, kernel: Filter) -> np.ndarray:
  """What each input pixel of an axis adds to each output pixel, `[outputs, inputs]`, float32."""
  places = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
  if kernel == 'linear':
    places = places.clip(0)
  first, weights = np.floor(places).astype(int), np.zeros((outputs, inputs))
  for tap in range(-1, 3):
    neighbour = first + tap
    distance = np.abs(places - neighbour)
    amount = (1 - distance).clip(0) if kernel == 'linear' else _cubic(distance)
    # Beyond an edge lies its own pixel, again and again.
    np.add.at(weights, (np.arange(outputs), neighbour.clip(0, inputs - 1)), amount)
  return weights.astype(np.float32)


def _cubic(distance: np.ndarray) -> np.ndarray:
  """Keys' kernel, Eq. 15 of the paper with the slope left open."""
  a, d = _LEGACY_SLOPE, distance
  near = (a + 2) * d**3 - (a + 3) * d**2 + 1
  far = a * (d**3 - 5 * d**2 + 8 * d - 4)
  return np.where(d <= 1, near, np.where(d < 2, far, 0))
