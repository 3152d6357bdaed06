"""R3GAN (Huang et al. 2024, arXiv:2501.05441): a modern baseline without normalisation layers.

A stage is residual blocks at one resolution, from 4×4 pixels up. Nothing but the biases before the
activations and the weights is learned; initial variance is set by a fixed gain for the depth
(after Fixup, arXiv:1901.09321), the last convolution of a block starts at zero.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models import stages
from gan_jax.models.layers import (
  Bias,
  Conv,
  Embed,
  Initializer,
  Resolution,
  check_choice,
  check_positive,
  sides,
)
from gan_jax.ops import columns, resample


def _scaled_normal(fan_in: int, gain: float = 1.0) -> Initializer:
  """N(0, (gain / √fan_in)²)."""
  return nn.initializers.normal(gain / math.sqrt(fan_in))


def _base(resolution: Resolution, widths: tuple[int, ...]) -> tuple[int, int]:
  """Height and width of the lowest stage, of which the shorter is 4 pixels."""
  height, width = sides(resolution)
  times = 1 << max(0, len(widths) - 1)
  if min(height, width) != 4 * times or min(height, width) < 16:
    raise UserError(
      f'config.dataset.resolution={min(height, width)}: r3gan.widths names {len(widths)} stages '
      f'from 4 pixels, which make {4 * times} pixels (at least 16)'
    )
  if max(height, width) % times:
    raise UserError(
      f'config.dataset.resolution={height}, dataset.width={width}: r3gan makes a longer side that '
      f'is a multiple of {times} here'
    )
  return height // times, width // times


def _check(network: 'Generator | Discriminator') -> None:
  """Raises UserError for sizes that no network has."""
  check_positive('r3gan', network, ('widths', 'blocks', 'group_size', 'expansion'))
  stages.check('r3gan', network, len(network.widths))


class _Block(nn.Module):
  """1×1 (wider), 3×3 in groups, 1×1 (back), each activation after a bias; plus identity."""

  depth: int  # residual blocks in the whole network: L of the gain
  expansion: int
  group_size: int
  merged: int = 1  # columns that are one in the images, see `columns`

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    n = self.merged
    width = x.shape[-1] // n
    wide = width * self.expansion
    if wide % self.group_size:
      raise UserError(
        f'r3gan.group_size={self.group_size} must divide width {width} times '
        f'r3gan.expansion={self.expansion}'
      )
    # The gain of a leaky rectifier of slope 0.2, shared among L blocks: Section 3.3 and appendix.
    gain = math.sqrt(2 / 1.04) * self.depth**-0.25
    y = Conv(wide, 1, kernel_init=_scaled_normal(width, gain), merged=n, name='widen')(x)
    y = nn.leaky_relu(Bias(n, name='bias1')(y), 0.2)
    y = Conv(
      wide,
      3,
      padding=1,
      groups=wide // self.group_size,
      kernel_init=_scaled_normal(self.group_size * 9, gain),
      merged=n,
      name='mix',
    )(y)
    y = nn.leaky_relu(Bias(n, name='bias2')(y), 0.2)
    return x + Conv(width, 1, kernel_init=nn.initializers.zeros, merged=n, name='narrow')(y)


class _Stages(nn.Module):
  """What both networks share: the residual blocks of each stage and their precision."""

  widths: tuple[int, ...]
  blocks: int
  expansion: int
  group_size: int
  bfloat16_stages: int
  remat_stages: int

  @classmethod
  def of(cls, network: 'Generator | Discriminator') -> '_Stages':
    """Those of a network."""
    names = ('widths', 'blocks', 'expansion', 'group_size', 'bfloat16_stages', 'remat_stages')
    return cls(*(getattr(network, name) for name in names), name='stages')

  @nn.compact
  def __call__(self, x: jax.Array, upwards: bool) -> jax.Array:
    """Runs all stages over `[B, H, W, C]`, from 4 pixels upwards or from the image downwards."""
    depth = self.blocks * len(self.widths)
    from_base = range(len(self.widths))
    for stage in from_base if upwards else reversed(from_base):
      from_image = len(self.widths) - 1 - stage
      if upwards and stage > 0:
        x = self._change_width(x.astype(stages.dtype(self, from_image)), stage)
        x = resample.upsample(x)
      elif not upwards and from_image > 0:
        x = self._change_width(resample.downsample(x), stage)
      merged = columns.merging(x.shape, x.shape[-1])
      x = columns.merge(x, merged)
      for block in range(self.blocks):
        apply = lambda self, x, name, merged: _Block(
          depth, self.expansion, self.group_size, merged, name=name
        )(x)
        x = stages.run(self, from_image, apply, x, f'stage{stage}_block{block}', merged)
      x = columns.part(x, merged)
    return x

  def _change_width(self, x: jax.Array, stage: int) -> jax.Array:
    """A 1×1 convolution where the width changes, at the smaller of the two resolutions."""
    width = self.widths[stage]
    if x.shape[-1] == width:
      return x
    init = _scaled_normal(x.shape[-1])
    return Conv(width, 1, kernel_init=init, name=f'change{stage}')(x)


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]`, float32, not bounded.

  Attributes:
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: where resolution and widths, or widths and group size, do not fit, or a size is not
      positive.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None  # unused: nothing here is averaged over a batch
  widths: tuple[int, ...] = (96, 96, 96, 96)
  blocks: int = 2
  group_size: int = 16
  expansion: int = 2
  embedding_size: int = 64
  bfloat16_stages: int = 0
  remat_stages: int = 0

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Generates `[B, H, W, C]`; training and sampling do not differ."""
    _check(self)
    check_positive('r3gan', self, ('embedding_size',))
    base = _base(self.resolution, self.widths)
    x = latents
    if self.num_classes:
      # A linear layer over one-hot labels: the number of classes is its fan-in.
      init = _scaled_normal(self.num_classes)
      embedding = Embed(self.num_classes, self.embedding_size, embedding_init=init)(labels)
      x = jnp.concatenate([x, embedding], axis=-1)
    width = self.widths[0]
    x = nn.Dense(width, use_bias=False, kernel_init=_scaled_normal(x.shape[-1]), name='stem')(x)
    basis = self.param('basis', nn.initializers.normal(1.0), (*base, width))
    x = basis * x[:, None, None, :]
    x = _Stages.of(self)(x, upwards=True)
    n, init = columns.merging(x.shape, x.shape[-1]), _scaled_normal(x.shape[-1])
    x = Conv(self.channels, 1, kernel_init=init, merged=n, name='image')(columns.merge(x, n))
    return columns.part(x, n).astype(jnp.float32)


class Discriminator(nn.Module):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B]`, float32.

  Attributes:
    discriminator_embedding_size: of the label's embedding; in the published presets the width at 4
      pixels.
    discriminator_condition: 'projection', as published: the logit is the features' product with an
      embedding of the label; 'none': it does not see the label; 'classifier': nor does it then, and
      the result is a dict of `logits` and `class_logits`, see `models`. Without classes: 'none'.
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: where resolution and widths, or widths and group size, do not fit, a size is not
      positive, or the condition is unknown.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None  # unused: nothing here is averaged over a batch
  widths: tuple[int, ...] = (96, 96, 96, 96)
  blocks: int = 2
  group_size: int = 16
  expansion: int = 2
  discriminator_embedding_size: int = 64
  bfloat16_stages: int = 0
  remat_stages: int = 0
  discriminator_condition: str = 'projection'

  def for_parts(self, parts: int) -> 'Discriminator':
    """The same network for a batch of parts that have no part in each other's logits: itself."""
    return self

  @property
  def piecewise_linear(self) -> bool:
    """Whether a logit is piecewise linear in its own image and depends on no other: always."""
    return True

  @nn.compact
  def __call__(
    self, images: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | dict[str, jax.Array]:
    """Scores the images; training and scoring do not differ."""
    _check(self)
    check_positive('r3gan', self, ('discriminator_embedding_size',))
    check_choice('r3gan', self, 'discriminator_condition', ('projection', 'classifier', 'none'))
    condition = self.discriminator_condition if self.num_classes else 'none'
    base = _base(self.resolution, self.widths)
    x = images.astype(stages.dtype(self, 0))
    n, init = columns.merging(x.shape, self.widths[-1]), _scaled_normal(self.channels)
    x = Conv(self.widths[-1], 1, kernel_init=init, merged=n, name='image')(columns.merge(x, n))
    x = columns.part(x, n)
    x = _Stages.of(self)(x, upwards=False).astype(jnp.float32)
    # A depthwise valid convolution as large as the image: one weighted sum a channel.
    basis = self.param('basis', _scaled_normal(base[0] * base[1]), (*base, x.shape[-1]))
    x = jnp.einsum('bhwc,hwc->bc', x, basis)
    init = _scaled_normal(x.shape[-1])
    head = lambda size, name: nn.Dense(size, use_bias=False, kernel_init=init, name=name)(x)
    if condition == 'classifier':
      classes = Bias(name='classes_bias')(head(self.num_classes, 'classes'))
      return {'logits': head(1, 'head')[:, 0], 'class_logits': classes}
    if condition == 'none':
      return head(1, 'head')[:, 0]
    features = head(self.discriminator_embedding_size, 'head')
    init = _scaled_normal(self.num_classes, gain=self.discriminator_embedding_size**-0.5)
    embedding = nn.Embed(self.num_classes, self.discriminator_embedding_size, embedding_init=init)(
      labels
    )
    return jnp.sum(features * embedding, axis=-1)
