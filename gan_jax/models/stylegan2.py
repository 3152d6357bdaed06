"""StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) in the configurations of StyleGAN2-ADA.

    z, class ─▶ mapping ─▶ w ─┬─▶ style ─▶ modulated 3×3 ─▶ noise, bias, leaky ReLU ─▶ … ─▶ image
                  constant 4×4 ──────────────▲

A mapping network makes w of the latent; each convolution of the synthesis network scales its input
channels by a style that is linear in w, and divides its output by the length that this gives it.
All weights are N(0, 1) and scaled when they are used (equalised learning rate), those of the
mapping so that they move a hundredth as far. Widths are `channel_base` over the side, at most
`channel_max`; every setting of the paper's and of StyleGAN2-ADA's (arXiv:2006.06676) is a field.

Its layers are in `equalised.py`.
"""

import math
from typing import Any, Self

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models import noise, stages
from gan_jax.models.equalised import Conv, Dense, Modulated, Styled, with_bias
from gan_jax.models.layers import (
  Resolution,
  check_choice,
  check_positive,
  class_weights,
  first_size,
  rms,
  sides,
  with_deviation,
)
from gan_jax.ops import resample

AVERAGES = 'averages'
"""The collection of the moving average of w."""

_MAPPING_RATE = 0.01
_CLASS_MAPPING_LAYERS = 8  # of the discriminator, whatever the generator's are
_W_DECAY = 0.995


def _sides(resolution: Resolution) -> tuple[tuple[int, ...], tuple[int, int]]:
  """The shorter sides from 4 upwards, and height and width of the first features."""
  short = min(sides(resolution))
  if short < 8 or short & (short - 1):
    raise UserError(
      f'config.dataset.resolution={short}: stylegan2 makes powers of two from 8 '
      '(8, 16, 32, 64, ...)'
    )
  steps = tuple(4 << n for n in range(short.bit_length() - 2))
  return steps, first_size(resolution, 'stylegan2', short // 4)


def _check(network: Any) -> None:
  names = ('channel_base', 'channel_max')
  check_positive('stylegan2', network, names)
  stages.check('stylegan2', network, len(_sides(network.resolution)[0]))


class _Mapping(nn.Module):
  """From latents, classes or both to w `[B, features]`."""

  features: int
  layers: int
  num_classes: int = 0

  @nn.compact
  def __call__(self, latents: jax.Array | None, labels: jax.Array) -> jax.Array:
    parts = [] if latents is None else [rms(latents, 1e-8)]
    if self.num_classes:
      one_hot = class_weights(labels, self.num_classes)
      parts.append(rms(Dense(self.features, name='classes')(one_hot), 1e-8))
    x = jnp.concatenate(parts, axis=1)
    for number in range(self.layers):
      x = Dense(self.features, _MAPPING_RATE, activated=True, name=f'layer{number}')(x)
    return x


class _SynthesisBlock(nn.Module):
  """The layers of one resolution: features and image out of those of half of it."""

  features: int
  channels: int
  first: bool
  last: bool
  place: int  # of its first w
  architecture: str
  noisy: bool
  clamp: float
  dtype: Any

  @nn.compact
  def __call__(
    self, x: jax.Array, image: jax.Array | None, w: jax.Array, keys: jax.Array | None
  ) -> tuple[jax.Array, jax.Array | None]:
    at = self.place
    x = x.astype(self.dtype)

    def styled(name: str, x: jax.Array, up: bool = False, gain: float = 1.0) -> jax.Array:
      nonlocal at
      layer = Styled(self.features, at, up, self.noisy, self.clamp, name=name)
      x = layer(x, w[:, at], keys, gain)
      at += 1
      return x

    if self.first:
      x = styled('conv1', x)
    elif self.architecture == 'residual':
      skip = Conv(self.features, 1, plain=True, name='skip')(x, math.sqrt(0.5))
      x = styled('conv1', styled('conv0', x, up=True), gain=math.sqrt(0.5))
      x = resample.upsample(skip) + x
    else:
      x = styled('conv1', styled('conv0', x, up=True))
    image = None if image is None else resample.upsample(image)
    if self.last or self.architecture == 'skip':
      layer = Modulated(self.channels, 1, demodulate=False, name='image')
      new = with_bias(self, layer(x, w[:, at]))
      new = jnp.clip(new, -self.clamp, self.clamp) if self.clamp else new
      new = new.astype(jnp.float32)
      image = new if image is None else image + new
    return x, image


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]`, about [-1, 1].

  Attributes:
    channel_base: width times side; `channel_max` bounds the width.
    w_size: length of w.
    mapping_layers: of the mapping network.
    generator_architecture: 'skip', an image at every resolution, all added up; 'residual'; or
      'plain'.
    style_mixing: probability that later layers get the w of another latent, in training.
    noise: add noise to every layer.
    fixed_noise: the same for every image, so that a path in w is smooth.
    bfloat16_stages, remat_stages: see `stages`.
    clamp: bound of the values of layers, 0: none. For bfloat16, as published, 256.

  Raises:
    UserError: for a shorter side that is not a power of two from 8, an unknown architecture, or a
      number out of range.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  channel_base: int = 32768
  channel_max: int = 512
  w_size: int = 512
  mapping_layers: int = 8
  generator_architecture: str = 'skip'
  style_mixing: float = 0.9
  noise: bool = True
  fixed_noise: bool = False
  bfloat16_stages: int = 0
  remat_stages: int = 0
  clamp: float = 0.0

  def setup(self) -> None:
    """Makes the layers."""
    _check(self)
    check_positive('stylegan2', self, ('w_size', 'mapping_layers'))
    accepted = ('skip', 'residual', 'plain')
    check_choice('stylegan2', self, 'generator_architecture', accepted)
    if not 0 <= self.style_mixing <= 1:
      raise UserError(f'config.stylegan2.style_mixing={self.style_mixing}: accepted: 0 to 1')
    self.to_w = _Mapping(self.w_size, self.mapping_layers, self.num_classes)
    self.average = self.variable(AVERAGES, 'w', jnp.zeros, (self.w_size,))
    steps, base = _sides(self.resolution)
    width = lambda side: min(self.channel_base // side, self.channel_max)
    init = nn.initializers.normal(1.0)
    self.constant = self.param('constant', init, (*base, width(4)))
    blocks, place = [], 0
    for number, side in enumerate(steps):
      stage = len(steps) - 1 - number
      block = nn.remat(_SynthesisBlock) if stage < self.remat_stages else _SynthesisBlock
      blocks.append(
        block(
          width(side), self.channels, first=number == 0, last=side == steps[-1], place=place,
          architecture=self.generator_architecture, noisy=self.noise, clamp=self.clamp,
          dtype=stages.dtype(self, stage), name=f'block{side}',
        )
      )  # fmt: skip
      place += 1 if number == 0 else 2
    self.blocks, self.num_w = blocks, place + 1

  def __call__(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Generates `[B, H, W, C]`; `train` mixes styles and moves the average of w."""
    return self._images(self.mapping(latents, labels, train), noise.keys_of(latents))

  def mapping(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """What every layer is told, `[B, layers, w_size]`."""
    w = self.to_w(latents, labels)
    if train and self.is_mutable_collection(AVERAGES) and not self.is_initializing():
      mean = jax.lax.stop_gradient(w).mean(axis=0)
      if self.axis_name is not None:
        mean = jax.lax.pmean(mean, self.axis_name)
      self.average.value = mean + _W_DECAY * (self.average.value - mean)
    w = jnp.broadcast_to(w[:, None], (w.shape[0], self.num_w, w.shape[1]))
    if train and self.style_mixing:
      others, first = self._drawn(latents)
      other = self.to_w(others, labels)
      later = jnp.arange(self.num_w) >= first[:, None]
      w = jnp.where(later[..., None], other[:, None], w)
    return w

  def synthesis(self, w: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Images of w; the noise is the same for all of them."""
    del labels, train
    return self._images(w, None)

  def truncated(self, latents: jax.Array, labels: jax.Array, share: jax.Array) -> jax.Array:
    """Images of w on the way from its average: at `share` `[B]`, 0 the average, 1 w itself."""
    w = self.truncate(self.mapping(latents, labels, train=False), labels, share)
    return self._images(w, noise.keys_of(latents))

  def truncate(self, w: jax.Array, labels: jax.Array, share: jax.Array) -> jax.Array:
    """Takes w `[B, layers, w_size]` to a share `[B]` of its way from the average."""
    del labels
    mean = self.average.value
    return mean + share[:, None, None] * (w - mean)

  def _images(self, w: jax.Array, keys: jax.Array | None) -> jax.Array:
    keys = None if self.fixed_noise else keys
    x = jnp.broadcast_to(self.constant, (w.shape[0], *self.constant.shape))
    image = None
    for block in self.blocks:
      x, image = block(x, image, w, keys)
    assert image is not None
    return image

  def _drawn(self, latents: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The other latent of each image, and its first layer, beyond the last where none is mixed."""

    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
      of_latent, of_place, of_chance = jax.random.split(jax.random.fold_in(key, self.num_w), 3)
      place = jax.random.randint(of_place, (), 1, self.num_w)
      mixed = jax.random.uniform(of_chance) < self.style_mixing
      other = jax.random.normal(of_latent, latents.shape[1:])
      return other, jnp.where(mixed, place, self.num_w)

    return jax.vmap(draw)(noise.keys_of(latents))


class _DiscriminatorBlock(nn.Module):
  """The layers of one resolution, which halve it; takes images at the first, or everywhere."""

  features: int
  after: int
  architecture: str
  onwards: bool  # the next one takes the image as well
  clamp: float
  dtype: Any

  @nn.compact
  def __call__(
    self, x: jax.Array | None, image: jax.Array | None
  ) -> tuple[jax.Array, jax.Array | None]:
    x = None if x is None else x.astype(self.dtype)
    if image is not None:
      seen = Conv(self.features, 1, clamp=self.clamp, name='image')(image.astype(self.dtype))
      x = seen if x is None else x + seen
      image = resample.downsample(image) if self.onwards else None
    assert x is not None
    y = Conv(self.features, 3, clamp=self.clamp, name='conv0')(x)
    gain = math.sqrt(0.5) if self.architecture == 'residual' else 1.0
    y = Conv(self.after, 3, down=True, clamp=self.clamp, name='conv1')(y, gain)
    if self.architecture == 'residual':
      skip = Conv(self.after, 1, down=True, plain=True, name='skip')
      y = skip(x, gain) + y
    return y, image


class Discriminator(nn.Module):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B]`.

  Attributes:
    channel_base: width times side; `channel_max` bounds the width.
    discriminator_architecture: 'residual'; 'skip', which looks at the image at every resolution; or
      'plain'.
    deviation_group: images whose standard deviation is a further channel of the last features, as
      many at most as there are in a part of a device's batch; 0: none.
    batch_parts: batches, one after the other in the rows, that have groups of their own.
    bfloat16_stages, remat_stages: see `stages`.
    grown_stages: see `stages`; the stage after each of them looks at the image as well.
    clamp: bound of the values of layers, 0: none.

  Raises:
    UserError: for a shorter side that is not a power of two from 8, an unknown architecture, or a
      number out of range.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  channel_base: int = 32768
  channel_max: int = 512
  discriminator_architecture: str = 'residual'
  deviation_group: int = 4
  batch_parts: int = 1
  bfloat16_stages: int = 0
  remat_stages: int = 0
  grown_stages: int = 0
  clamp: float = 0.0

  def for_parts(self, parts: int) -> Self:
    """The same network for a batch of parts that have no part in each other's logits."""
    return self.clone(batch_parts=parts)

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Scores the images; training and what follows it are the same."""
    del train
    _check(self)
    accepted = ('residual', 'skip', 'plain')
    check_choice('stylegan2', self, 'discriminator_architecture', accepted)
    if self.deviation_group < 0:
      raise UserError(f'config.stylegan2.deviation_group={self.deviation_group}: accepted: from 0')
    steps, _ = _sides(self.resolution)
    stages.check('stylegan2', self, len(steps), grown=len(steps) - 2)
    everywhere = self.discriminator_architecture == 'skip'
    width = lambda side: min(self.channel_base // side, self.channel_max)
    x: jax.Array | None = None
    image: jax.Array | None = images
    for stage, side in enumerate(reversed(steps[1:])):
      block = nn.remat(_DiscriminatorBlock) if stage < self.remat_stages else _DiscriminatorBlock
      x, image = block(
        width(side), width(side // 2), self.discriminator_architecture,
        onwards=everywhere or stage < self.grown_stages, clamp=self.clamp,
        dtype=stages.dtype(self, stage), name=f'block{side}',
      )(x, image)  # fmt: skip
    assert x is not None
    x = x.astype(jnp.float32)
    if image is not None:
      x += Conv(width(4), 1, clamp=0.0, name='image')(image)
    if self.deviation_group:
      x = with_deviation(x, self.deviation_group, self.batch_parts)
    x = Conv(width(4), 3, clamp=self.clamp, name='conv')(x)
    x = Dense(width(4), activated=True, name='dense')(x.reshape(x.shape[0], -1))
    if not self.num_classes:
      return Dense(1, name='logit')(x)[:, 0]
    x = Dense(width(4), name='logit')(x)
    classes = _Mapping(width(4), _CLASS_MAPPING_LAYERS, self.num_classes, name='mapping')
    return (x * classes(None, labels)).sum(axis=1) / math.sqrt(width(4))
