"""The discriminator of Projected GANs (Sauer et al. 2021, arXiv:2111.01007).

    images ─▶ fixed network ─▶ four maps ─▶ fixed random mixing ─▶ four small heads ─▶ logits

What judges stands on features of a network that was trained on photographs and stays as it is, and
on random projections of them that stay as they were drawn; the heads alone learn. It goes with any
generator (`model.discriminator='projected'`), without a gradient penalty. Scores on its own
features would flatter what it taught: evaluation refuses them, or marks them.

Fixed weights are in the collection `fixed`, which no pass changes and no optimiser sees.

Grey images enter as three equal channels. Of RGBA the fixed network sees the picture laid over
white, as scores do, and a further head, of half the first one's widths (`pixel_width`), judges the
pixels and their alpha. Images below some 128 pixels gain by such a head in any case (`pixels`): the
network halves what it sees before it looks, and lets a checkerboard pass.
"""

import math
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models.layers import (
  BatchNorm,
  Bias,
  Conv,
  DepthwiseConv,
  Resolution,
  halve,
  sides,
  with_deviation,
)
from gan_jax.models.spectral_norm import normalised
from gan_jax.ops.resample import enlarge_aligned
from gan_jax.pretrained import efficientnet_lite

FIXED = 'fixed'
"""The collection of weights that no pass and no update changes."""

# Channels after mixing across channels, deep to shallow last; and of the heads by nominal side.
_MIXED = (64, 128, 256, 512)
_PROJECTED = (64, 64, 128, 256)
_WIDTHS = {128: 64, 64: 64, 32: 128, 16: 256, 8: 512}
_SHALLOWEST = 128  # nominal side of the first head's map, whatever the real one
_LAST = 4  # side of the map that the last convolution of a head looks at, at least
_STEP = 32  # by which the network divides its input
_CLASS_MAP, _CLASS_EMBEDDING = 64, 128


class Discriminator(nn.Module):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B, n]`, all places of all heads.

  Attributes:
    network: whose features: a key of `efficientnet_lite.RELEASES`.
    side: pixels to which the shorter side is brought before the network, a multiple of 32; 0: the
      images' own size. Published: 224 where images are smaller, else their own.
    heads: how many, from the shallowest, 1 to 4.
    separable: depthwise and 1×1 convolutions in the heads, as published with StyleGAN2's generator,
      in place of 4×4 ones, as with FastGAN's.
    pixels: a further head looks at the images themselves; that of RGBA is always there.
    pixel_width: channels of that head at its largest map; those of the first head are 64.
    norm: of the heads, beside spectral norm: 'batch', as published, which hides from a head what
      all images of a batch have in common, such as their colours; or 'none'.
    deviation_group: images whose standard deviation is a further channel of each head's last
      features; 0: none.
    mixing: 'scales', of channels and then of scales; 'channels'; or 'none', the features as they
      are.
    batch_parts: batches, one after the other in the rows, that are normalised each by itself.

  Raises:
    UserError: for an unknown network or mixing, or a size or number out of range.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  network: str = 'efficientnet_lite0'
  side: int = 224
  heads: int = 4
  separable: bool = False
  pixels: bool = False
  pixel_width: int = 32
  norm: str = 'batch'
  deviation_group: int = 0
  mixing: str = 'scales'
  batch_parts: int = 1

  def for_parts(self, parts: int) -> Self:
    """The same network for a batch of parts that have no part in each other's logits."""
    return self.clone(batch_parts=parts)

  @property
  def teachers(self) -> tuple[str, ...]:
    """The feature networks that a generator learns from here."""
    return (self.network,)

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Scores the images; `train` normalises by the batch and updates the averages and u."""
    self._check()
    release = efficientnet_lite.RELEASES[self.network]
    weights = self.variable(FIXED, 'network', lambda: _weights(self.network))
    maps = efficientnet_lite.taps(release, weights.value, self._entering(images))
    maps = self._mixed(maps)[: self.heads]
    if self.pixels or self.channels == 4:
      maps.append(images)
    logits = [self._head(x, number, labels, train) for number, x in enumerate(maps)]
    return jnp.concatenate([x.reshape(len(images), -1) for x in logits], axis=1)

  def _entering(self, images: jax.Array) -> jax.Array:
    """Images `[B, h, w, 3]` of the network's size, in [-1, 1]."""
    if self.channels == 4:
      alpha = (images[..., 3:] + 1) / 2
      images = images[..., :3] * alpha + (1 - alpha)
    B, H, W, _ = images.shape
    size = _sizes((H, W), self.side)
    if size != (H, W):
      images = jax.image.resize(images, (B, *size, images.shape[-1]), 'linear')
    return jnp.broadcast_to(images, (B, *size, 3))

  def _mixed(self, maps: list[jax.Array]) -> list[jax.Array]:
    """The four maps after the random projections, shallow to deep."""
    if self.mixing == 'none':
      return maps
    maps = [
      self._fixed(x, n, f'channels{k}') for k, (x, n) in enumerate(zip(maps, _MIXED, strict=True))
    ]
    if self.mixing == 'channels':
      return maps
    found: list[jax.Array] = []
    for k in (3, 2, 1, 0):
      x = maps[k] + found[0] if found else maps[k]
      # The convolution comes first: enlarging, whose weights add up to 1, changes places with it.
      found.insert(0, enlarge_aligned(self._fixed(x, _PROJECTED[k], f'scales{k}')))
    return found

  def _fixed(self, x: jax.Array, features: int, name: str) -> jax.Array:
    """A random 1×1 convolution that stays as it was drawn."""
    layer = self.variable(
      FIXED, name, lambda: _drawn(self.make_rng('params'), x.shape[-1], features)
    )
    return efficientnet_lite.dense(x, layer.value)

  def _head(self, x: jax.Array, number: int, labels: jax.Array, train: bool) -> jax.Array:
    """One head's logits `[B, h, w]`."""
    name = lambda part: f'head{number}_{part}'
    run = lambda layer, x: normalised(layer, x, train)
    of_pixels = number == self.heads
    nominal = _SHALLOWEST >> (0 if of_pixels else number)
    if self.mixing != 'scales' and not of_pixels:
      nominal //= 2  # mixing scales doubles the maps
    halvings = _halvings(min(x.shape[1:3]), nominal)
    for _ in range(halvings):
      nominal //= 2
      width = _WIDTHS[nominal]
      if of_pixels:
        width = width * self.pixel_width // _WIDTHS[_SHALLOWEST]
      x = self._halved(x, width, name(str(nominal)), run, train)
    if self.deviation_group:
      x = with_deviation(x, self.deviation_group, self.batch_parts)
    outputs = _CLASS_MAP if self.num_classes else 1
    x = run(Conv(outputs, 4, kernel_init=_uniform, name=name('logit')), x)
    if self.num_classes:
      embedding = nn.Embed(
        self.num_classes,
        _CLASS_EMBEDDING,
        embedding_init=nn.initializers.normal(1.0),
        name=name('embedding'),
      )(labels)
      classes = nn.Dense(_CLASS_MAP, kernel_init=_uniform, name=name('classes'))(embedding)
      classes = nn.leaky_relu(classes, 0.2)
      x = (x * classes[:, None, None]).sum(axis=-1, keepdims=True) / math.sqrt(_CLASS_MAP)
    return x[..., 0]

  def _halved(self, x: jax.Array, features: int, name: str, run: Any, train: bool) -> jax.Array:
    if self.separable:
      x = run(DepthwiseConv(3, padding=1, kernel_init=_uniform, name=f'{name}_depthwise'), x)
      x = run(Conv(features, 1, kernel_init=_uniform, name=f'{name}_pointwise'), x)
    else:
      x = run(Conv(features, 4, stride=2, padding=1, kernel_init=_uniform, name=f'{name}_conv'), x)
      x = Bias(name=f'{name}_bias')(x)
    if self.norm == 'batch':
      x = BatchNorm(axis_name=self.axis_name, parts=self.batch_parts, name=f'{name}_norm')(x, train)
    x = nn.leaky_relu(x, 0.2)
    return halve(x) if self.separable else x

  def _check(self) -> None:
    refuse = lambda key, accepted: UserError(
      f'config.projected.{key}={getattr(self, key)!r}: accepted: {accepted}'
    )
    if self.network not in efficientnet_lite.RELEASES:
      raise refuse('network', ', '.join(efficientnet_lite.RELEASES))
    if self.mixing not in ('scales', 'channels', 'none'):
      raise refuse('mixing', 'scales, channels, none')
    if self.norm not in ('batch', 'none'):
      raise refuse('norm', 'batch, none')
    if self.pixel_width < 1:
      raise refuse('pixel_width', 'from 1')
    if self.deviation_group < 0:
      raise refuse('deviation_group', 'from 0')
    if not 1 <= self.heads <= 4:
      raise refuse('heads', '1 to 4')
    if self.side < 0 or self.side % _STEP:
      raise refuse('side', '0 (the images as they are), or a multiple of 32 from 64')
    least = min(_sizes(sides(self.resolution), self.side))
    if least < 2 * _STEP:
      raise refuse('side', f'a multiple of 32 from 64 for images of {least} pixels')
    # Mixing scales doubles every map, which the last convolution of the deepest head needs at 64.
    most = min(4, int(math.log2(least // _LAST)) - 1)
    if self.mixing != 'scales' and self.heads > most:
      why = f'1 to {most} where images enter at {least} pixels and scales are not mixed'
      raise refuse('heads', f'{why}; or projected.mixing=scales')


def _sizes(size: tuple[int, int], side: int) -> tuple[int, int]:
  """Height and width at which images of a size enter the network: multiples of 32."""
  scale = side / min(size) if side else 1
  height, width = (max(_STEP, round(n * scale / _STEP) * _STEP) for n in size)
  return height, width


def _halvings(side: int, nominal: int) -> int:
  """Of a head: from its nominal side to 8, fewer where nothing would be left of its map.

  As published, a map at half of an input of 224 is halved four times, to 7; of one of 128, to 4.
  """
  halvings = int(math.log2(nominal // 8))
  while halvings and side >> halvings < _LAST:
    halvings -= 1
  return halvings


def _weights(name: str) -> efficientnet_lite.Params:
  return jax.tree.map(jnp.asarray, efficientnet_lite.without_top(efficientnet_lite.read(name)))


def _drawn(key: jax.Array, inputs: int, features: int) -> efficientnet_lite.Params:
  """Weights as PyTorch draws those of a convolution: U(−1/√n, 1/√n), the bias as well."""
  bound = 1 / np.sqrt(inputs)
  kernel, bias = jax.random.split(key)
  return {
    'kernel': _uniform(kernel, (inputs, features)),
    'bias': jax.random.uniform(bias, (features,), minval=-bound, maxval=bound),
  }


def _uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
  """Weights `[..., in, out]` of the same kind."""
  bound = 1 / np.sqrt(math.prod(shape[:-1]))
  return jax.random.uniform(key, shape, dtype, -bound, bound)
