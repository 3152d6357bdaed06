"""FastGAN (Liu et al. 2021, arXiv:2101.04775), and the generator of Projected GANs made of it.

A generator for few images: each resolution is gated by one of much lower resolution (skip-layer
excitation), every convolution has spectral norm 1, gated linear units follow batch normalisation.
From 256 pixels on it makes a second image of 128, which its own discriminator judges beside the
first. That discriminator also decodes its features of real images back into these images, or parts
of them, which keeps it from learning them by heart; `reconstruction` among the regularisers is that
loss, by absolute differences where the paper has LPIPS, whose network is in no package.

Projected GANs (Sauer et al. 2021, arXiv:2111.01007) take the generator alone: `blocks='two'`, or
`'one'` for its light form, `normalised_latent`, `image_bias`, and no `small_image`. Its classes
enter by the scale and shift of every normalisation.

The paper starts at 256 pixels. Below it the networks here end, and begin, at the size that is
asked for, with the widths of their resolutions; from 64 down, excitation goes over 3 doublings
in place of 4.
"""

import functools
from typing import Any, Self

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.models import noise, stages
from gan_jax.models.layers import (
  BatchNorm,
  Bias,
  Conv,
  ConvTranspose,
  ConvUp,
  Embed,
  Resolution,
  base,
  check_choice,
  check_positive,
  halve,
  rms,
  sides,
)
from gan_jax.models.spectral_norm import normalised

_INIT = nn.initializers.normal(0.02)
_SCALE_INIT = lambda *args: 1.0 + _INIT(*args)
_SIZES = (32, 64, 128, 256, 512, 1024)
# Channels at each resolution, in units of `width`.
_GENERATOR = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 1 / 2, 512: 1 / 4, 1024: 1 / 8}
_DISCRIMINATOR = {**_GENERATOR, 8: 16, 16: 8, 32: 4}
_SMALL = 128  # side of the second image, and the largest that is decoded
_SMALL_FROM = 256
_DECODER_WIDTH = 32


def _base(resolution: Resolution) -> tuple[int, tuple[int, int]]:
  """The shorter side, and height and width of the features at 4 pixels of it."""
  return base(resolution, 'fastgan', _SIZES)


def _doublings(side: int, short: int) -> int:
  """From features of a side to the image."""
  return (short // side).bit_length() - 1


def _glu(x: jax.Array) -> jax.Array:
  """A gated linear unit: half of the channels, times the sigmoid of the others."""
  value, gate = jnp.split(x, 2, axis=-1)
  return value * nn.sigmoid(gate)


class _Excitation(nn.Module):
  """Gates `[B, 1, 1, features]` of the channels of a map, out of one of lower resolution."""

  features: int
  base: tuple[int, int]

  @nn.compact
  def __call__(self, low: jax.Array, train: bool) -> jax.Array:
    B, H, W, C = low.shape
    h, w = self.base
    pooled = low.reshape(B, h, H // h, w, W // w, C).mean(axis=(2, 4))
    conv = Conv(self.features, self.base, kernel_init=_INIT, name='conv1')
    x = nn.swish(normalised(conv, pooled, train))
    return nn.sigmoid(normalised(Conv(self.features, 1, kernel_init=_INIT, name='conv2'), x, train))


class _Norm(nn.Module):
  """Batch normalisation; with classes, scale and shift are linear in their embedding."""

  axis_name: str | None

  @nn.compact
  def __call__(self, x: jax.Array, classes: jax.Array | None, train: bool) -> jax.Array:
    plain = classes is None
    x = BatchNorm(affine=plain, scale_init=_SCALE_INIT, axis_name=self.axis_name, name='norm')(
      x, train
    )
    if classes is None:
      return x
    linear = lambda name: normalised(nn.Dense(x.shape[-1], name=name), classes, train)[
      :, None, None
    ]
    return x * (1 + linear('scale')).astype(x.dtype) + linear('shift').astype(x.dtype)


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]`, about [-1, 1].

  As published they are not bounded below 1024 pixels; what lies outside is clipped when images are
  stored. Where `small_image`, from 256 pixels on, training passes return a dict of `image` and
  `small`, 128 pixels.

  Attributes:
    width: unit of the channels.
    blocks: convolutions after each doubling: 'alternating', two and one in turn, as in FastGAN;
      'two' or 'one' everywhere, as in Projected GANs. Two go with noise.
    small_image: make the second image that the discriminator of this module judges.
    normalised_latent: bring latents to a root mean square of 1.
    image_bias: of the last convolution.
    tanh: bounds images below 1024 pixels as well.
    styled: latents enter by the scale and shift of every normalisation too, beside the classes.
    fixed_noise: the same for every image, so that a path between latents is smooth.
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: for a size without a table of widths, unknown blocks, or a width that is not
      positive.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  blocks: str = 'alternating'
  small_image: bool = True
  normalised_latent: bool = False
  image_bias: bool = False
  tanh: bool = False
  fixed_noise: bool = False
  styled: bool = False
  bfloat16_stages: int = 0
  remat_stages: int = 0

  @nn.compact
  def __call__(
    self, latents: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | dict[str, jax.Array]:
    """Generates `[B, H, W, C]`; `train` normalises by the batch and updates the averages."""
    check_positive('fastgan', self, ('width',))
    check_choice('fastgan', self, 'blocks', ('alternating', 'two', 'one'))
    short, base = _base(self.resolution)
    stages.check('fastgan', self, _doublings(4, short))
    keys, classes = None if self.fixed_noise else noise.keys_of(latents), None
    if self.num_classes:
      embed = Embed(
        self.num_classes,
        self.latent_size,
        embedding_init=nn.initializers.normal(1.0),
        name='classes',
      )
      classes = embed(labels)
    if self.normalised_latent:
      latents = rms(latents, 1e-8)
    if self.styled:
      classes = latents if classes is None else jnp.concatenate([classes, latents], axis=1)
    stem = ConvTranspose(2 * self._features(4), base, stride=1, kernel_init=_INIT, name='stem')
    x = normalised(stem, latents[:, None, None], train)
    norm = BatchNorm(scale_init=_SCALE_INIT, axis_name=self.axis_name, name='stem_norm')
    maps = {4: _glu(norm(x, train))}
    reach = 8 if short <= 64 else 16
    side = 4
    while side < short:
      side *= 2
      apply = lambda self, x, side: self._block(x, side, keys, classes, train)
      x = stages.run(self, _doublings(side, short), apply, maps[side // 2], side)
      if side // reach in maps and side // reach <= 32:
        gate = _Excitation(self._features(side), base, name=f'excitation{side}')
        x *= gate(maps[side // reach], train).astype(x.dtype)
      maps[side] = x
    image = normalised(Conv(self.channels, 3, padding=1, kernel_init=_INIT, name='image'), x, train)
    if self.image_bias:
      image = Bias(name='image_bias')(image)
    bounded = self.tanh or short >= 1024
    bound = lambda x: jnp.tanh(x.astype(jnp.float32)) if bounded else x.astype(jnp.float32)
    if not self.small_image or short < _SMALL_FROM:
      return bound(image)
    small = normalised(Conv(self.channels, 1, kernel_init=_INIT, name='small'), maps[_SMALL], train)
    return {'image': bound(image), 'small': bound(small)} if train else bound(image)

  def _features(self, side: int) -> int:
    return max(1, int(_GENERATOR[side] * self.width))

  def _block(
    self, x: jax.Array, side: int, keys: jax.Array | None, classes: jax.Array | None, train: bool
  ) -> jax.Array:
    """Doubles the resolution, to `side`."""
    two = self.blocks == 'two' or (self.blocks == 'alternating' and side in (8, 32, 128, 512))
    for number in range(2 if two else 1):
      layer: Any = functools.partial(Conv, kernel=3, padding=1) if number else ConvUp
      conv = layer(2 * self._features(side), kernel_init=_INIT, name=f'conv{side}_{number}')
      x = normalised(conv, x, train)
      if two:
        x = noise.Noise(2 * side + number, name=f'noise{side}_{number}')(x, keys)
      x = _glu(_Norm(self.axis_name, name=f'norm{side}_{number}')(x, classes, train))
    return x


class Discriminator(nn.Module):
  """Maps images, or dicts of `image` and `small`, to logits `[B, n]`, all places of all branches.

  Labels are not looked at. Beside the `logits` it returns `reconstruction`, `[B]`: how far decoded
  features are from the images, of the first part alone in a batch of parts, which are the reals.

  Attributes:
    width: unit of the channels.
    reconstruction: 'absolute' differences or 'squared' ones, means over the pixels; 'none' decodes
      nothing.
    batch_parts: batches, one after the other in the rows, that are normalised each by itself.
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: for a size without a table of widths, an unknown reconstruction, or a width that is
      not positive.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  reconstruction: str = 'absolute'
  batch_parts: int = 1
  bfloat16_stages: int = 0
  remat_stages: int = 0

  def for_parts(self, parts: int) -> Self:
    """The same network for a batch of parts that have no part in each other's logits."""
    return self.clone(batch_parts=parts)

  def present(self, images: jax.Array) -> jax.Array | dict[str, jax.Array]:
    """Reals as they are judged: with the nearest pixels of each as `small` from 256 on."""
    short = min(sides(self.resolution))
    if short < _SMALL_FROM:
      return images
    return {'image': images, 'small': _nearest(images, short // _SMALL)}

  @nn.compact
  def __call__(self, images: Any, labels: jax.Array, train: bool) -> dict[str, jax.Array]:
    """Scores the images; `train` updates the averages and u."""
    del labels
    check_positive('fastgan', self, ('width',))
    check_choice('fastgan', self, 'reconstruction', ('absolute', 'squared', 'none'))
    short, base = _base(self.resolution)
    stages.check('fastgan', self, _doublings(4, short))
    seen = images if isinstance(images, dict) else self.present(images)
    image = seen['image'] if isinstance(seen, dict) else seen
    maps = self._maps(image, short, base, train)
    logits = [self._logits('head', maps[8], train)]
    decoded = [('decoder_image', maps[8], image)]
    if isinstance(seen, dict):
      small = self._small_branch(seen['small'], train)
      logits.append(normalised(self._conv(1, 4, 'small_logit'), small, train))
      decoded.append(('decoder_small', small, image))
    result = {'logits': jnp.concatenate([x.reshape(x.shape[0], -1) for x in logits], axis=1)}
    if self.reconstruction != 'none':
      first = image.shape[0] // self.batch_parts
      quarter, of_image = _quarters(maps[16][:first], image[:first])
      cut = [(name, x[:first], target[:first]) for name, x, target in decoded]
      errors = [self._apart(*each, train) for each in (*cut, ('decoder_part', quarter, of_image))]
      rest = jnp.zeros(image.shape[0] - first)
      result['reconstruction'] = jnp.concatenate([sum(errors[1:], errors[0]), rest])
    return result

  def _features(self, side: int) -> int:
    return max(1, int(_DISCRIMINATOR[side] * self.width))

  def _conv(self, features: int, kernel: Resolution, name: str, **options: Any) -> Conv:
    return Conv(features, kernel, kernel_init=_INIT, name=name, **options)

  def _activated(self, x: jax.Array, name: str, train: bool) -> jax.Array:
    norm = BatchNorm(
      scale_init=_SCALE_INIT, axis_name=self.axis_name, parts=self.batch_parts, name=name
    )
    return nn.leaky_relu(norm(x, train), 0.2)

  def _maps(
    self, image: jax.Array, short: int, base: tuple[int, int], train: bool
  ) -> dict[int, jax.Array]:
    """The features at every resolution from the entry down to 8 pixels."""
    first, x = min(short, _SMALL_FROM), image.astype(stages.dtype(self, 0))
    if short <= _SMALL_FROM:
      x = normalised(self._conv(self._features(2 * first), 3, 'entry', padding=1), x, train)
    else:
      entry = self._conv(self._features(short), 4, 'entry', stride=2, padding=1)
      x = normalised(entry, x, train)
    if short == 1024:
      conv = self._conv(self._features(512), 4, 'entry2', stride=2, padding=1)
      x = self._activated(normalised(conv, nn.leaky_relu(x, 0.2), train), 'entry2_norm', train)
    else:
      x = nn.leaky_relu(x, 0.2)
    maps, side = {first: x}, first
    while side > 8:
      stage = _doublings(side, short)
      side //= 2
      x = stages.run(self, stage, lambda self, x, side: self._down(x, side, train), x, side)
      if 8 * side in maps:
        gate = _Excitation(x.shape[-1], base, name=f'excitation{side}')
        x *= gate(maps[8 * side], train).astype(x.dtype)
      maps[side] = x
    return maps

  def _down(self, x: jax.Array, side: int, train: bool) -> jax.Array:
    """Halves the resolution, to `side`: the mean of two ways."""
    features, name = self._features(2 * side), lambda part: f'down{side}_{part}'
    y = normalised(self._conv(features, 4, name('conv1'), stride=2, padding=1), x, train)
    y = self._activated(y, name('norm1'), train)
    y = normalised(self._conv(features, 3, name('conv2'), padding=1), y, train)
    y = self._activated(y, name('norm2'), train)
    direct = normalised(self._conv(features, 1, name('direct')), halve(x), train)
    return (y + self._activated(direct, name('direct_norm'), train)) / 2

  def _logits(self, name: str, x: jax.Array, train: bool) -> jax.Array:
    x = normalised(self._conv(self._features(8), 1, f'{name}_conv'), x, train)
    x = self._activated(x, f'{name}_norm', train).astype(jnp.float32)
    return normalised(self._conv(1, 4, f'{name}_logit'), x, train)

  def _small_branch(self, x: jax.Array, train: bool) -> jax.Array:
    """Features at 8 pixels of the image of 128."""
    conv = self._conv(self._features(256), 4, 'small_entry', stride=2, padding=1)
    x = nn.leaky_relu(normalised(conv, x, train), 0.2)
    for side in (128, 64, 32):
      conv = self._conv(self._features(side), 4, f'small{side}', stride=2, padding=1)
      x = self._activated(normalised(conv, x, train), f'small{side}_norm', train)
    return x

  def _apart(self, name: str, x: jax.Array, target: jax.Array, train: bool) -> jax.Array:
    """How far an image decoded from features is from what it should be, `[B]`."""
    for side in (16, 32, 64, 128):
      if x.shape[1] >= min(target.shape[1], _SMALL):
        break
      features = 2 * int(_GENERATOR[side] * _DECODER_WIDTH)
      x = normalised(ConvUp(features, kernel_init=_INIT, name=f'{name}_conv{side}'), x, train)
      norm = BatchNorm(
        scale_init=_SCALE_INIT, axis_name=self.axis_name, track=False, name=f'{name}_norm{side}'
      )
      x = _glu(norm(x, train))
    x = normalised(self._conv(self.channels, 3, f'{name}_image', padding=1), x, train)
    x = jnp.tanh(x.astype(jnp.float32))
    apart = jnp.abs(x - _nearest(target, target.shape[1] // x.shape[1]))
    return (jnp.square(apart) if self.reconstruction == 'squared' else apart).mean(axis=(1, 2, 3))


def _nearest(images: jax.Array, factor: int) -> jax.Array:
  """Every so-manieth pixel."""
  return images[:, ::factor, ::factor]


def _quarters(features: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array]:
  """A quarter of each map, and the same one of its image, drawn by the image's own mean.

  Paper: drawn once a batch. A network has no draws of its own; the fourth digit of the mean is as
  good, and belongs to the image wherever in a batch it lies.
  """
  drawn = jnp.floor(images.mean(axis=(1, 2, 3)) * 4096).astype(jnp.int32) % 4
  chosen = jax.nn.one_hot(jax.lax.stop_gradient(drawn), 4, dtype=features.dtype)

  def cut(x: jax.Array) -> jax.Array:
    B, H, W, C = x.shape
    parts = x.reshape(B, 2, H // 2, 2, W // 2, C).transpose(0, 1, 3, 2, 4, 5)
    return jnp.einsum('bq,bqhwc->bhwc', chosen, parts.reshape(B, 4, H // 2, W // 2, C))

  return cut(features), cut(images)
