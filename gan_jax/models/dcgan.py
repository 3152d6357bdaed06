"""DCGAN (Radford, Metz and Chintala 2015, arXiv:1511.06434), at powers of two.

4×4 convolutions of stride 2, batch normalisation, weights from N(0, 0.02). With classes, the label
enters by ways that the config names:

- the generator reads an embedding of it beside z, its batch normalisation takes scale and shift
  from it (Dumoulin et al. 2016, arXiv:1610.07629; de Vries et al. 2017, arXiv:1707.00683), or both;
- the discriminator's logit gains the product of its pooled features with an embedding of the label
  (projection, Miyato and Koyama 2018, arXiv:1802.05637); or an embedding is repeated over the 4×4
  features, concatenated with them and mixed in by a 1×1 convolution (concatenation, Reed et al.
  2016, arXiv:1605.05396, Section 4.1, after the conditional GAN of Mirza and Osindero 2014,
  arXiv:1411.1784); or it classifies the images beside judging them (AC-GAN, Odena et al. 2017,
  arXiv:1610.09585); or it does not see the label.

Stages that were grown (`growing`) make and see the image beside those before them, as in Karras et
al. 2018 (arXiv:1710.10196): the generator adds up what each resolution draws, before the tanh; the
discriminator adds to a layer what the first layer of the smaller network makes of the halved image.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models import stages
from gan_jax.models.layers import (
  BatchNorm,
  Bias,
  Conv,
  ConvTranspose,
  Embed,
  Resolution,
  check_choice,
  check_positive,
  first_size,
  sides,
)
from gan_jax.models.normalised import NormalisedDiscriminator
from gan_jax.ops import resample

_INIT = nn.initializers.normal(0.02)
_SATURATED = 1 - 1e-6  # of an image of tanh: the arctanh of what is nearer to 1 tells nothing


def _levels(resolution: Resolution) -> tuple[int, tuple[int, int]]:
  """Number of halvings down to 4 pixels of the shorter side, and the size that is reached."""
  short = min(sides(resolution))
  if short < 16 or short & (short - 1):
    raise UserError(
      f'config.dataset.resolution={short}: dcgan makes powers of two from 16 (16, 32, 64, 128, ...)'
    )
  levels = short.bit_length() - 3
  return levels, first_size(resolution, 'dcgan', 1 << levels)


class _Norm(nn.Module):
  """Batch normalisation; with classes, scale and shift are looked up by the label."""

  num_classes: int
  axis_name: str | None
  parts: int = 1

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array | None, train: bool) -> jax.Array:
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
    scale = Embed(self.num_classes, x.shape[-1], embedding_init=one, name='scale')(labels)
    shift = Embed(self.num_classes, x.shape[-1], embedding_init=zero, name='shift')(labels)
    return x * scale[:, None, None].astype(x.dtype) + shift[:, None, None].astype(x.dtype)


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]` in [-1, 1].

  Attributes:
    generator_condition: where the label enters: 'embedding' beside z, 'batch_norm' as the scale and
      shift of every normalisation, or 'both'. Without classes: none.
    bfloat16_stages, remat_stages, grown_stages: see `stages`.

  Raises:
    UserError: for a shorter side that is not a power of two from 16, a size that is not positive,
      or an unknown condition.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64  # channels of the highest-resolution layer; doubles at each halving
  max_width: int = 512  # channels never exceed this
  embedding_size: int = 32  # length of a class embedding that is concatenated
  generator_condition: str = 'both'
  bfloat16_stages: int = 0
  remat_stages: int = 0
  grown_stages: int = 0

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Generates `[B, H, W, C]`; `train` normalises by the batch and updates the averages."""
    check_positive('dcgan', self, ('width', 'max_width', 'embedding_size'))
    check_choice('dcgan', self, 'generator_condition', ('embedding', 'batch_norm', 'both'))
    levels, base = _levels(self.resolution)
    stages.check('dcgan', self, levels, grown=levels - 2)
    x = latents
    if self.num_classes and self.generator_condition != 'batch_norm':
      embedding = Embed(self.num_classes, self.embedding_size, name='embedding')(labels)
      x = jnp.concatenate([x, embedding], axis=-1)
    x, image = x[:, None, None, :], None
    for level in range(levels, 0, -1):
      stem = base if level == levels else None
      apply = lambda self, x, *of: self._enlarged(x, *of, labels, train)
      x = stages.run(self, level, apply, x, level, stem)
      if level <= self.grown_stages + 1:
        image = self._drawn(x, level - 1, image)
    assert image is not None
    return image

  def _drawn(self, x: jax.Array, halvings: int, smaller: jax.Array | None) -> jax.Array:
    """The image after so many halvings, of features of half its size and the image of that size."""
    name = f'image{halvings}' if halvings else 'image'
    x = x.astype(stages.dtype(self, halvings))
    x = ConvTranspose(self.channels, 4, stride=2, padding=1, kernel_init=_INIT, name=name)(x)
    x = x.astype(jnp.float32)
    if smaller is not None:
      x += jnp.arctanh(jnp.clip(resample.upsample(smaller), -_SATURATED, _SATURATED))
    return jnp.tanh(x)

  def _enlarged(
    self,
    x: jax.Array,
    level: int,
    stem: tuple[int, int] | None,
    labels: jax.Array,
    train: bool,
  ) -> jax.Array:
    """The features of a level: twice the size, or that of the stem."""
    norm_classes = 0 if self.generator_condition == 'embedding' else self.num_classes
    x = ConvTranspose(
      min(self.width << (level - 1), self.max_width),
      stem or 4,
      stride=1 if stem else 2,
      padding=0 if stem else 1,
      kernel_init=_INIT,
      name=f'conv{level}',
    )(x)
    return nn.relu(_Norm(norm_classes, self.axis_name, name=f'norm{level}')(x, labels, train))


class Discriminator(NormalisedDiscriminator, nn.Module):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B]`.

  Attributes:
    discriminator_norm: 'batch' normalises every layer but the first, as published; 'none' leaves
      examples independent of each other, which R1 assumes; so does 'spectral', which normalises the
      weights of every layer and every embedding instead, `spectral_norm.SpectralNorm`.
    batch_parts: batches, one after the other in the rows, that are normalised each by itself.
    embedding_size: of the label, where it is concatenated.
    discriminator_condition: 'projection', 'concatenation' or 'none', as the module describes; with
      'classifier' the result is a dict of `logits`, which do not see the label, and `class_logits`,
      see `models`. Without classes: 'none'.
    spectral_iterations: of the power method in a pass.
    spectral_epsilon: the least norm that spectral normalisation divides by.
    bfloat16_stages, remat_stages, grown_stages: see `stages`.

  Raises:
    UserError: for a shorter side that is not a power of two from 16, an unknown norm or condition,
      or a size that is not positive.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  max_width: int = 512
  discriminator_norm: str = 'batch'
  batch_parts: int = 1
  embedding_size: int = 32
  discriminator_condition: str = 'projection'
  spectral_iterations: int = 1
  spectral_epsilon: float = 1e-12
  bfloat16_stages: int = 0
  remat_stages: int = 0
  grown_stages: int = 0

  @nn.compact
  def __call__(
    self, images: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | dict[str, jax.Array]:
    """Scores the images; `train` normalises by the batch and updates the averages and u."""
    self._check()
    condition = self.discriminator_condition if self.num_classes else 'none'
    x, seen = images, images
    levels, base = _levels(self.resolution)
    for level in range(levels):
      if 0 < level <= self.grown_stages:
        seen = resample.downsample(seen)
      halved = lambda self, x, n, seen=seen: self._halved(x, n, seen, train)
      x = stages.run(self, level, halved, x, level)
    x = x.astype(jnp.float32)
    if condition == 'concatenation':
      maps = self._embed(labels, self.embedding_size, 'embedding', train)[:, None, None]
      maps = jnp.broadcast_to(maps, (*x.shape[:-1], self.embedding_size))
      # After Reed et al.; the logit alone would add what it makes of the image and of the label.
      conv = self._conv(x.shape[-1], 1, f'conv{levels}')
      x = self.run_layer(conv, jnp.concatenate([x, maps], axis=-1), train)
      x = self._activate(x, levels, train)
    logits = self.run_layer(self._conv(1, base, 'logit'), x, train)[:, 0, 0, 0]
    if condition == 'projection':
      class_weights = self._embed(labels, x.shape[-1], 'projection', train)
      logits += jnp.sum(x.sum(axis=(1, 2)) * class_weights, axis=-1)
    if condition == 'classifier':
      classes = self.run_layer(self._conv(self.num_classes, base, 'classes'), x, train)[:, 0, 0]
      return {'logits': logits, 'class_logits': Bias(name='classes_bias')(classes)}
    return logits

  def _check(self) -> None:
    sizes = ('width', 'max_width', 'embedding_size', 'spectral_iterations')
    check_positive('dcgan', self, sizes)
    self.check_norm('dcgan')
    levels, _ = _levels(self.resolution)
    stages.check('dcgan', self, levels, grown=levels - 2)
    conditions = ('projection', 'concatenation', 'classifier', 'none')
    check_choice('dcgan', self, 'discriminator_condition', conditions)

  def _halved(self, x: jax.Array, level: int, seen: jax.Array, train: bool) -> jax.Array:
    """The features of a level, half the size; of a grown one, `seen` is the image of its size."""
    width = min(self.width << level, self.max_width)
    conv = self._conv(width, 4, f'conv{level}', stride=2, padding=1)
    y = self.run_layer(conv, x, train)
    if 0 < level <= self.grown_stages:
      conv = self._conv(width, 4, f'image{level}', stride=2, padding=1)
      y += self.run_layer(conv, seen.astype(x.dtype), train)
    return self._activate(y, level, train)

  def _conv(self, features: int, kernel: Resolution, name: str, **options: Any) -> Conv:
    # N(0, 0.02) relies on batch normalisation to restore the scale; without it, keep the variance.
    init = _INIT if self.discriminator_norm == 'batch' else nn.initializers.he_normal()
    return Conv(features, kernel, kernel_init=init, name=name, **options)

  def _embed(self, labels: jax.Array, features: int, name: str, train: bool) -> jax.Array:
    return self.run_layer(nn.Embed(self.num_classes, features, name=name), labels, train)

  def _activate(self, x: jax.Array, level: int, train: bool) -> jax.Array:
    if self.discriminator_norm != 'batch':
      x = Bias(name=f'bias{level}')(x)
    elif level > self.grown_stages:  # not where an image enters
      x = _Norm(0, self.axis_name, self.batch_parts, name=f'norm{level}')(x, None, train)
    return nn.leaky_relu(x, 0.2)
