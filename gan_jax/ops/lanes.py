"""Groups of a convolution merged until they fill the lanes of a TPU.

A TPU keeps arrays in tiles of 128 lanes, and multiplies in units of 128 × 128. Of either a group of
16 channels fills an eighth, and so do all images that a convolution in such groups reads and
writes. Several groups are one whose kernel is zero between them: more multiply-adds by the count,
but no more passes through the unit.
"""

import jax
import jax.numpy as jnp
import numpy as np

_LANES = 128


def merging(groups: int, channels: int) -> int:
  """How many groups become one.

  Args:
    groups: of the convolution.
    channels: of a group, in the images or in the result, whichever has fewer.

  Returns:
    A divisor of the groups: the least that fills the lanes, where that takes no more than two
    tiles of them; else the greatest that does not.
  """
  fitting = [n for n in range(1, groups + 1) if groups % n == 0 and n * channels <= 2 * _LANES]
  filling = [n for n in fitting if n * channels >= _LANES]
  return min(filling) if filling else max(fitting, default=1)


def spread(kernel: jax.Array, groups: int, merged: int) -> jax.Array:
  """The kernel of fewer groups that convolves as one in all of them does.

  Args:
    kernel: `[kh, kw, C / groups, F]`.
    groups: of the kernel.
    merged: how many of them become one.

  Returns:
    `[kh, kw, merged * C / groups, F]`, zero between groups.
  """
  if merged == 1:
    return kernel
  channels, features = kernel.shape[2:]
  # Of rows and columns whole: parts of either would lie in tiles of their own.
  row = np.arange(merged * channels)[:, None] // channels
  column = np.arange(features) // (features // groups) % merged
  return jnp.where(row == column, jnp.tile(kernel, (1, 1, merged, 1)), jnp.zeros((), kernel.dtype))
