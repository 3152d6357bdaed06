"""BigGAN (Brock, Donahue and Simonyan 2019, arXiv:1809.11096).

SNGAN's residual networks made wide, with spectral norm 1 in the generator as well, the class shared
between all layers by one embedding, the latent cut into a piece for each block (hierarchical
latents), and self-attention (Zhang et al. 2019, arXiv:1805.08318) at one resolution.

There are two networks of this name at 32 pixels: that of the authors' PyTorch release and that of
PyTorch-StudioGAN (Kang et al. 2022, arXiv:2206.09479). Both are settings of this module, see
`configs/published/biggan_cifar10.py` and `biggan_cifar10_studiogan.py`.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models import resnet, stages
from gan_jax.models.layers import (
  BatchNorm,
  Bias,
  Conv,
  ConvUp,
  Embed,
  Initializer,
  Resolution,
  base,
  check_choice,
  check_positive,
  enlarge,
)
from gan_jax.models.spectral_norm import normalised

# Widths from 4 pixels upwards, in units of `width`; the first is that of the 4×4 features.
_UPWARDS = {
  32: (4, 4, 4, 4),
  64: (16, 16, 8, 4, 2),
  128: (16, 16, 8, 4, 2, 1),
  256: (16, 16, 8, 8, 4, 2, 1),
}
_INITS = {'orthogonal': nn.initializers.orthogonal(), 'normal': nn.initializers.normal(0.02)}


class _Attention(nn.Module):
  """Adds to features what they attend to, by a weight that begins at 0; keys are at half the side.

  Has no normalisation of the products, and no biases.
  """

  initializer: Initializer
  epsilon: float

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    B, H, W, C = x.shape

    def mix(y: jax.Array, features: int, name: str) -> jax.Array:
      layer = Conv(features, 1, kernel_init=self.initializer, name=name)
      return normalised(layer, y, train, epsilon=self.epsilon)

    def pooled(y: jax.Array) -> jax.Array:
      return y.reshape(B, H // 2, 2, W // 2, 2, -1).max(axis=(2, 4)).reshape(B, H * W // 4, -1)

    queries = mix(x, C // 8, 'queries').reshape(B, H * W, -1)
    keys, values = pooled(mix(x, C // 8, 'keys')), pooled(mix(x, C // 2, 'values'))
    products = jnp.einsum('bqc,bkc->bqk', queries, keys).astype(jnp.float32)
    shares = nn.softmax(products).astype(x.dtype)
    seen = jnp.einsum('bqk,bkc->bqc', shares, values).reshape(B, H, W, -1)
    weight = self.param('weight', nn.initializers.zeros, ()).astype(x.dtype)
    return x + weight * mix(seen, C, 'result')


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]` in [-1, 1].

  Attributes:
    width: unit of the widths.
    shared_embedding: length of the one embedding of the class, from which every normalisation takes
      scale and shift by a linear layer; 0: each has tables of its own.
    hierarchical: the latent is cut into equal pieces, the first for the stem, one for the
      normalisations of each block.
    attention: side of the features that attend, pixels; 0: none.
    initial_weights: 'orthogonal', or 'normal', N(0, 0.02).
    norm_epsilon: of batch normalisation, added to the variance.
    spectral_epsilon: the least norm that spectral normalisation divides by.
    bfloat16_stages, remat_stages: see `stages`.

  Raises:
    UserError: for a size without a table of widths, a latent that cannot be cut, or a setting out
      of range.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  width: int = 64
  shared_embedding: int = 128
  hierarchical: bool = True
  attention: int = 0
  initial_weights: str = 'orthogonal'
  norm_epsilon: float = 1e-5
  spectral_epsilon: float = 1e-6
  bfloat16_stages: int = 0
  remat_stages: int = 0

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """Generates `[B, H, W, C]`; `train` normalises by the batch and updates averages and u."""
    check_positive('biggan', self, ('width',))
    check_choice('biggan', self, 'initial_weights', tuple(_INITS))
    short, (height, width) = base(self.resolution, 'biggan', _UPWARDS)
    _check_attention(self.attention, short)
    first, *rest = (self.width * times for times in _UPWARDS[short])
    stages.check('biggan', self, len(rest))
    stem, pieces = self._pieces(latents, len(rest))
    classes = None
    if self.num_classes and self.shared_embedding:
      table = Embed(
        self.num_classes,
        self.shared_embedding,
        embedding_init=_INITS[self.initial_weights],
        name='classes',
      )
      classes = table(labels)
    dense = nn.Dense(height * width * first, kernel_init=_INITS[self.initial_weights], name='stem')
    x = self._run(dense, stem, train).reshape(-1, height, width, first)
    for number, features in enumerate(rest):
      known = [part for part in (classes, pieces[number]) if part is not None]
      about = jnp.concatenate(known, axis=1) if known else None
      apply = lambda self, x, *of, about=about: self._block(x, *of, about, labels, train)
      x = stages.run(self, len(rest) - 1 - number, apply, x, f'block{number}', features)
      if 8 << number == self.attention:
        attention = _Attention(
          _INITS[self.initial_weights], self.spectral_epsilon, name='attention'
        )
        x = attention(x, train)
    norm = BatchNorm(epsilon=self.norm_epsilon, axis_name=self.axis_name, name='norm')
    image = Conv(
      self.channels, 3, padding=1, kernel_init=_INITS[self.initial_weights], name='image'
    )
    x = Bias(name='image_bias')(self._run(image, nn.relu(norm(x, train)), train))
    return jnp.tanh(x.astype(jnp.float32))

  def _run(self, layer: nn.Module, x: jax.Array, train: bool) -> jax.Array:
    return normalised(layer, x, train, epsilon=self.spectral_epsilon)

  def _pieces(self, latents: jax.Array, blocks: int) -> tuple[jax.Array, list[jax.Array | None]]:
    """What of the latent the stem and each block are given."""
    if not self.hierarchical:
      return latents, [None] * blocks
    if self.latent_size % (blocks + 1):
      raise UserError(
        f'config.model.latent_size={self.latent_size}: accepted with biggan.hierarchical here: '
        f'multiples of {blocks + 1}, one for the stem and one for each block'
      )
    stem, *pieces = jnp.split(latents, blocks + 1, axis=1)
    return stem, [*pieces]

  def _block(
    self, x: jax.Array, name: str, features: int, about: jax.Array | None, labels: jax.Array,
    train: bool,
  ) -> jax.Array:  # fmt: skip
    """A residual block that doubles height and width."""
    init = _INITS[self.initial_weights]

    def conv(part: int, y: jax.Array, layer: nn.Module) -> jax.Array:
      return Bias(name=f'{name}_bias{part}')(self._run(layer, y, train))

    y = nn.relu(self._norm(x, f'{name}_norm1', about, labels, train))
    y = conv(1, y, ConvUp(features, kernel_init=init, name=f'{name}_conv1'))
    y = nn.relu(self._norm(y, f'{name}_norm2', about, labels, train))
    y = conv(2, y, Conv(features, 3, padding=1, kernel_init=init, name=f'{name}_conv2'))
    # A 1×1 convolution and doubling change places without changing the result.
    return y + enlarge(conv(0, x, Conv(features, 1, kernel_init=init, name=f'{name}_conv0')))

  def _norm(
    self, x: jax.Array, name: str, about: jax.Array | None, labels: jax.Array, train: bool
  ) -> jax.Array:
    """Batch normalisation; scale and shift follow from what is known of the image, if anything."""
    init, own_tables = (
      _INITS[self.initial_weights],
      bool(self.num_classes and not self.shared_embedding),
    )
    plain = about is None and not own_tables
    x = BatchNorm(
      epsilon=self.norm_epsilon, affine=plain, axis_name=self.axis_name, name=name
    )(x, train)  # fmt: skip
    if plain:
      return x
    factors = [jnp.ones(()), jnp.zeros(())]
    for place, part in enumerate(('scale', 'shift')):
      if about is not None:
        linear = nn.Dense(x.shape[-1], use_bias=False, kernel_init=init, name=f'{name}_{part}')
        factors[place] += self._run(linear, about, train)[:, None, None]
      if own_tables:
        table = Embed(
          self.num_classes, x.shape[-1], embedding_init=init, name=f'{name}_{part}_of_class'
        )
        factors[place] += table(labels)[:, None, None]
    return x * factors[0].astype(x.dtype) + factors[1].astype(x.dtype)


class Discriminator(resnet.Discriminator):
  """Maps images `[B, H, W, C]` and labels `[B]` to logits `[B]`: SNGAN's, with attention.

  Attributes:
    width: unit of the generator's widths, that has no part here.
    discriminator_width: unit of the widths, of which there are 2 in every block at 32 pixels.
    attention: side of the features that attend, pixels; 0: none.
    initial_weights: 'orthogonal', or 'normal', N(0, 0.02).
    bfloat16_stages, remat_stages: see `stages`.
  """

  discriminator_width: int = 64
  attention: int = 0
  initial_weights: str = 'orthogonal'

  @nn.compact
  def __call__(
    self, images: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | dict[str, jax.Array]:
    """Scores the images; `train` normalises by the batch and updates the averages and u."""
    check_positive('biggan', self, ('discriminator_width',))
    check_choice('biggan', self, 'initial_weights', tuple(_INITS))
    short, _ = base(self.resolution, 'biggan', _UPWARDS)
    _check_attention(self.attention, short)
    widths, halvings = resnet.DOWNWARDS[short]
    self._check('biggan', len(widths))
    x, attended = images, False
    for number, times in enumerate(widths):
      x = self._run_block(x, number, times * self.discriminator_width, number < halvings, train)
      if min(x.shape[1:3]) == self.attention and not attended:
        attention = _Attention(
          _INITS[self.initial_weights], self.spectral_epsilon, name='attention'
        )
        x, attended = attention(x, train), True
    return self._judge(x, labels, train)

  @property
  def piecewise_linear(self) -> bool:
    """Whether a logit is piecewise linear in its own image and depends on no other."""
    return self.discriminator_norm != 'batch' and not self.attention

  @property
  def _initializer(self) -> Initializer:
    return _INITS[self.initial_weights]


def _check_attention(side: int, short: int) -> None:
  accepted = [8 << n for n in range(short.bit_length() - 4)]
  if side and side not in accepted:
    raise UserError(
      f'config.biggan.attention={side}: accepted at {short} pixels: 0 (none), '
      + ', '.join(map(str, accepted))
    )
