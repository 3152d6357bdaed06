"""DCGAN (Radford, Metz and Chintala 2015, arXiv:1511.06434), at powers of two.

4×4 convolutions of stride 2, batch normalisation, weights from N(0, 0.02). With classes, the
generator reads an embedding of the label beside z, and its batch normalisation takes scale and
shift from the label; the discriminator's logit gains the product of its pooled features with an
embedding of the label (projection, Miyato and Koyama 2018, arXiv:1802.05637).
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models.layers import (
  BatchNorm,
  Bias,
  Conv,
  ConvTranspose,
  Resolution,
  check_positive,
  sides,
)

_INIT = nn.initializers.normal(0.02)


def _levels(resolution: Resolution) -> tuple[int, tuple[int, int]]:
  """Number of halvings down to 4 pixels of the shorter side, and the size that is reached."""
  height, width = sides(resolution)
  short = min(height, width)
  if short < 16 or short & (short - 1):
    raise UserError(
      f'dataset.resolution={short}: dcgan makes powers of two from 16 (16, 32, 64, 128, ...)'
    )
  levels = short.bit_length() - 3
  if max(height, width) % (1 << levels):
    raise UserError(
      f'dataset.resolution={height}, dataset.width={width}: dcgan makes a longer side that is a '
      f'multiple of {1 << levels} here'
    )
  return levels, (height >> levels, width >> levels)


class _Norm(nn.Module):
  """Batch normalisation; with classes, scale and shift are looked up by the label."""

  num_classes: int
  axis_name: str | None
  parts: int = 1

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    plain = self.num_classes == 0
    x = BatchNorm(
      affine=plain,
      scale_init=lambda *args: 1.0 + _INIT(*args),
      axis_name=self.axis_name,
      parts=self.parts,
      name='norm',
    )(x, train)
    if plain:
      return x
    one, zero = nn.initializers.ones, nn.initializers.zeros
    scale = nn.Embed(self.num_classes, x.shape[-1], embedding_init=one, name='scale')(labels)
    shift = nn.Embed(self.num_classes, x.shape[-1], embedding_init=zero, name='shift')(labels)
    return x * scale[:, None, None] + shift[:, None, None]


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]` in [-1, 1].

  Raises:
    UserError: for a shorter side that is not a power of two from 16, or a size that is not
      positive.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  max_width: int = 512
  embedding_size: int = 32

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Generates `[B, H, W, C]`; `train` normalises by the batch and updates the averages."""
    check_positive('dcgan', self, ('width', 'max_width', 'embedding_size'))
    levels, base = _levels(self.resolution)
    x = latents
    if self.num_classes:
      embedding = nn.Embed(self.num_classes, self.embedding_size, name='embedding')(labels)
      x = jnp.concatenate([x, embedding], axis=-1)
    x = x[:, None, None, :]
    for level in range(levels, 0, -1):
      width = min(self.width << (level - 1), self.max_width)
      first = level == levels
      x = ConvTranspose(
        width,
        base if first else 4,
        stride=1 if first else 2,
        padding=0 if first else 1,
        kernel_init=_INIT,
        name=f'conv{level}',
      )(x)
      x = nn.relu(_Norm(self.num_classes, self.axis_name, name=f'norm{level}')(x, labels, train))
    x = ConvTranspose(self.channels, 4, stride=2, padding=1, kernel_init=_INIT, name='image')(x)
    return jnp.tanh(x)


class Discriminator(nn.Module):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B]`.

  Attributes:
    discriminator_norm: 'batch' normalises every layer but the first, as published; 'none' leaves
      examples independent of each other, which R1 assumes.
    batch_parts: batches, one after the other in the rows, that are normalised each by itself.

  Raises:
    UserError: for a shorter side that is not a power of two from 16, an unknown norm, or a width
      that is not positive.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  max_width: int = 512
  discriminator_norm: str = 'batch'
  batch_parts: int = 1

  def for_parts(self, parts: int) -> 'Discriminator':
    """The same network for a batch of parts that have no part in each other's logits."""
    return self.clone(batch_parts=parts)

  @property
  def piecewise_linear(self) -> bool:
    """Whether a logit is piecewise linear in its own image and depends on no other."""
    return self.discriminator_norm == 'none'

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Scores the images; `train` normalises by the batch and updates the averages."""
    check_positive('dcgan', self, ('width', 'max_width'))
    if self.discriminator_norm not in ('batch', 'none'):
      raise UserError(
        f'dcgan.discriminator_norm={self.discriminator_norm!r}: accepted are batch and none'
      )
    batch_norm = self.discriminator_norm == 'batch'
    # N(0, 0.02) relies on batch normalisation to restore the scale; without it, keep the variance.
    init = _INIT if batch_norm else nn.initializers.he_normal()
    x = images
    levels, base = _levels(self.resolution)
    for level in range(levels):
      width = min(self.width << level, self.max_width)
      x = Conv(width, 4, stride=2, padding=1, kernel_init=init, name=f'conv{level}')(x)
      if batch_norm and level:
        norm = _Norm(0, self.axis_name, self.batch_parts, name=f'norm{level}')
        x = norm(x, labels, train)
      elif not batch_norm:
        x = Bias(name=f'bias{level}')(x)
      x = nn.leaky_relu(x, 0.2)
    logits = Conv(1, base, kernel_init=init, name='logit')(x)[:, 0, 0, 0]
    if self.num_classes:
      pooled = x.sum(axis=(1, 2))
      class_weights = nn.Embed(self.num_classes, x.shape[-1], name='projection')(labels)
      logits += jnp.sum(pooled * class_weights, axis=-1)
    return logits
