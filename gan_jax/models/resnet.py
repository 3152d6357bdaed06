"""Residual networks of SNGAN (Miyato et al. 2018, arXiv:1802.05957), of WGAN-GP's kind.

Blocks of two 3×3 convolutions beside a 1×1 one, ReLU before each; the generator normalises by the
batch, with classes conditionally (de Vries et al. 2017, arXiv:1707.00683), the discriminator's
weights have spectral norm 1 and its features are summed over the pixels. Widths are those of
PyTorch-StudioGAN (Kang et al. 2022, arXiv:2206.09479), whose networks these are to the number: at
32 pixels they follow the paper's Table 3, at 64 and 128 its Table 5.

Enlarging before a convolution, and averaging after one, are part of that convolution here: a 3×3
kernel between them is a 4×4 one at the smaller resolution, with 16 products for 36.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.models import stages
from gan_jax.models.layers import (
  BatchNorm,
  Bias,
  Conv,
  ConvDown,
  ConvUp,
  Embed,
  Initializer,
  Resolution,
  base,
  check_choice,
  check_positive,
  enlarge,
  halve,
)
from gan_jax.models.normalised import NormalisedDiscriminator

_INIT = nn.initializers.orthogonal()

# Widths from 4 pixels upwards, in units of `width`; the first is that of the 4×4 features.
_UPWARDS = {
  16: (4, 4, 4),
  32: (4, 4, 4, 4),
  64: (16, 8, 4, 2, 1),
  128: (16, 16, 8, 4, 2, 1),
  256: (16, 16, 8, 8, 4, 2, 1),
}
# Widths of the discriminator's blocks from the image downwards, and how many of them halve.
DOWNWARDS = {
  16: ((2, 2, 2), 1),
  32: ((2, 2, 2, 2), 2),
  64: ((1, 2, 4, 8, 16), 4),
  128: ((1, 2, 4, 8, 16, 16), 5),
  256: ((1, 2, 4, 8, 8, 16, 16), 6),
}


class _Norm(nn.Module):
  """Batch normalisation; with classes, scale and shift are looked up by the label."""

  num_classes: int
  axis_name: str | None

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    plain = self.num_classes == 0
    x = BatchNorm(epsilon=1e-4, affine=plain, axis_name=self.axis_name, name='norm')(x, train)
    if plain:
      return x
    embed = lambda name: Embed(self.num_classes, x.shape[-1], embedding_init=_INIT, name=name)(
      labels
    )[:, None, None]
    return x * (1 + embed('scale')).astype(x.dtype) + embed('shift').astype(x.dtype)


class _UpBlock(nn.Module):
  """A residual block that doubles height and width."""

  features: int
  num_classes: int
  axis_name: str | None

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    norm = lambda name, y: nn.relu(
      _Norm(self.num_classes, self.axis_name, name=name)(y, labels, train)
    )
    y = norm('norm1', x)
    y = Bias(name='bias1')(ConvUp(self.features, kernel_init=_INIT, name='conv1')(y))
    y = norm('norm2', y)
    y = Bias(name='bias2')(Conv(self.features, 3, padding=1, kernel_init=_INIT, name='conv2')(y))
    # A 1×1 convolution and doubling change places without changing the result.
    skip = Bias(name='bias0')(Conv(self.features, 1, kernel_init=_INIT, name='conv0')(x))
    return y + enlarge(skip)


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]` in [-1, 1].

  Attributes:
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: for a shorter side without a table of widths, or a width that is not positive.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64  # unit of the widths: 256 channels at 32 pixels are 4 of them
  bfloat16_stages: int = 0
  remat_stages: int = 0

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Generates `[B, H, W, C]`; `train` normalises by the batch and updates the averages."""
    check_positive('resnet', self, ('width',))
    short, (height, width) = base(self.resolution, 'resnet', _UPWARDS)
    first, *rest = (self.width * times for times in _UPWARDS[short])
    stages.check('resnet', self, len(rest))
    x = nn.Dense(height * width * first, kernel_init=_INIT, name='stem')(latents)
    x = x.reshape(-1, height, width, first)
    for number, features in enumerate(rest):
      apply = lambda self, x, features, name: _UpBlock(
        features, self.num_classes, self.axis_name, name=name
      )(x, labels, train)
      x = stages.run(self, len(rest) - 1 - number, apply, x, features, f'block{number}')
    x = nn.relu(BatchNorm(epsilon=1e-4, axis_name=self.axis_name, name='norm')(x, train))
    x = Conv(self.channels, 3, padding=1, kernel_init=_INIT, name='image')(x)
    return jnp.tanh(Bias(name='image_bias')(x).astype(jnp.float32))


class Discriminator(NormalisedDiscriminator, nn.Module):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B]`.

  Attributes:
    discriminator_norm: 'spectral', of every layer and the embedding; 'none', as gradient penalties
      assume; 'batch', as in StudioGAN's WGAN-GP.
    discriminator_condition: 'projection' adds the features' product with an embedding of the label;
      'none' does not see it; nor does 'classifier', with which the result is a dict of `logits` and
      `class_logits`, see `models`. Without classes: 'none'.
    batch_parts: batches, one after the other in the rows, that are normalised each by itself.
    spectral_iterations: of the power method in a pass.
    spectral_epsilon: the least norm that spectral normalisation divides by.
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: for a shorter side without a table of widths, an unknown norm or condition, or a size
      that is not positive.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  discriminator_norm: str = 'spectral'
  discriminator_condition: str = 'projection'
  batch_parts: int = 1
  spectral_iterations: int = 1
  spectral_epsilon: float = 1e-6
  bfloat16_stages: int = 0
  remat_stages: int = 0

  @nn.compact
  def __call__(
    self, images: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | dict[str, jax.Array]:
    """Scores the images; `train` normalises by the batch and updates the averages and u."""
    short, _ = base(self.resolution, 'resnet', _UPWARDS)
    widths, halvings = DOWNWARDS[short]
    self._check('resnet', len(widths))
    x = images
    for number, times in enumerate(widths):
      x = self._run_block(x, number, times * self.width, number < halvings, train)
    return self._judge(x, labels, train)

  def _check(self, section: str, blocks: int) -> None:
    stages.check(section, self, blocks)
    check_positive(section, self, ('width', 'spectral_iterations'))
    self.check_norm(section)
    check_choice(section, self, 'discriminator_condition', ('projection', 'classifier', 'none'))

  def _judge(
    self, x: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | dict[str, jax.Array]:
    """What the last features `[B, h, w, C]` say of the images, by the condition."""
    features = nn.relu(x).astype(jnp.float32).sum(axis=(1, 2))
    init = self._initializer
    condition = self.discriminator_condition if self.num_classes else 'none'
    run = lambda layer: self.run_layer(layer, features, train)
    logits = run(nn.Dense(1, kernel_init=init, name='logit'))[:, 0]
    if condition == 'projection':
      table = nn.Embed(self.num_classes, features.shape[-1], embedding_init=init, name='projection')
      logits += jnp.sum(features * self.run_layer(table, labels, train), axis=-1)
    if condition == 'classifier':
      classes = run(nn.Dense(self.num_classes, use_bias=False, kernel_init=init, name='classes'))
      return {'logits': logits, 'class_logits': classes}
    return logits

  @property
  def _initializer(self) -> Initializer:
    return _INIT

  def _run_block(
    self, x: jax.Array, number: int, features: int, halves: bool, train: bool
  ) -> jax.Array:
    apply = lambda self, x, *of: self._block(x, *of)
    return stages.run(self, number, apply, x, number, features, halves, train)

  def _block(
    self, x: jax.Array, number: int, features: int, halves: bool, train: bool
  ) -> jax.Array:
    """A residual block, the first without an activation before it; `halves` height and width."""
    first, init = number == 0, self._initializer
    name = lambda part: f'block{number}_{part}'
    norm = lambda part, y: self._norm(name(part), y, train)
    conv = lambda part, y, layer: Bias(name=name(f'bias{part}'))(
      self.run_layer(layer(features, kernel_init=init, name=name(f'conv{part}')), y, train)
    )
    three = lambda features, **options: Conv(features, 3, padding=1, **options)
    one = lambda features, **options: Conv(features, 1, **options)
    y = x if first else nn.relu(norm('norm1', x))
    y = conv(1, y, three)
    y = nn.relu(norm('norm2', y))
    y = conv(2, y, ConvDown if halves else three)
    if not halves and x.shape[-1] == features:
      return x + y
    # A 1×1 convolution and averaging change places without changing the result.
    if first:
      skip = norm('norm0', halve(x))
    else:
      skip = norm('norm0', x)
      skip = halve(skip) if halves else skip
    return y + conv(0, skip, one)

  def _norm(self, name: str, x: jax.Array, train: bool) -> jax.Array:
    if self.discriminator_norm != 'batch':
      return x
    norm = BatchNorm(epsilon=1e-4, axis_name=self.axis_name, parts=self.batch_parts, name=name)
    return norm(x, train)
