"""GAT, GANs of transformers (arXiv:2509.24935), and options of CAT (arXiv:2605.26449).

The generator's tokens begin as their places alone; w, of the latent and the class, scales and gates
every layer. After each quarter of the blocks a head adds to the image: training passes return all
four sums, which the discriminator sees together, noisier the earlier they are (the augmentation
`level_noise`). Both players are matrix products throughout, on pixels or on latents of an
autoencoder alike. Sizes of the paper, as depth, width and heads: S 12, 384, 6; B 12, 768, 12;
L 24, 1024, 16; XL 28, 1152, 16.

Without classes the generator reads z alone, and the discriminator's label is one for all.
"""

from typing import Any, Self

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.models import transformer
from gan_jax.models.layers import Embed, Resolution, check_positive, looked_up, rms, sides
from gan_jax.models.transformer import Attention, Dense, RMSNorm, SwiGLU

AVERAGES = 'averages'
"""The collection of the moving averages of w, one a class."""

LEVELS = 4
_EPSILON = 1e-6
_RATE = 0.01  # of the layers of w, and of the discriminator's labels
_MODULATION_GAIN = 0.1
_LAYER_SCALE = 0.1
_W_DECAY = 0.995


def _grid(network: Any) -> tuple[int, int]:
  """Height and width in patches, of a network whose settings hold together."""
  check_positive('gat', network, ('depth', 'width', 'heads', 'patch'))
  if network.depth % LEVELS:
    raise UserError(f'config.gat.depth={network.depth}: accepted: multiples of {LEVELS}')
  if network.width % (4 * network.heads):
    raise UserError(
      f'config.gat.width={network.width}: accepted with heads={network.heads}: multiples of '
      f'{4 * network.heads}'
    )
  height, width = sides(network.resolution)
  if height % network.patch or width % network.patch:
    raise UserError(
      f'config.gat.patch={network.patch}: accepted: what divides {height} and {width} pixels'
    )
  return height // network.patch, width // network.patch


class _Modulated(nn.Module):
  """A block of the generator; w `[B, C]` scales what its layers see and gates what they add."""

  heads: int
  turned: Any
  dtype: Any

  @nn.compact
  def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
    modulation = Dense(4 * x.shape[-1], gain=_MODULATION_GAIN, name='modulation')(nn.silu(w))
    parts = jnp.split(modulation[:, None].astype(x.dtype), 4, axis=-1)
    scale_attention, gate_attention, scale_gates, gate_gates = parts
    attention = Attention(self.heads, self.turned, self.dtype, name='attention')
    x = x + gate_attention * attention(rms(x, _EPSILON) * (1 + scale_attention))
    swiglu = SwiGLU(self.dtype, name='swiglu')
    return x + gate_gates * swiglu(rms(x, _EPSILON) * (1 + scale_gates))


class _Head(nn.Module):
  """What a level adds to the image, as patches `[B, N, features]`."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
    scale = Dense(x.shape[-1], gain=_MODULATION_GAIN, name='modulation')(nn.silu(w))
    x = rms(x.astype(jnp.float32), _EPSILON) * (1 + scale[:, None])
    return Dense(self.features, name='patches')(x)


class Generator(nn.Module):
  """Maps latents `[B, z]` and labels `[B]` to images `[B, H, W, C]`, not bounded.

  Training passes return a tuple of four, from the first level to the whole image.

  Attributes:
    depth: blocks, a multiple of 4.
    width: of the tokens.
    heads: of attention.
    patch: side of a token's part of the image, pixels.
    bfloat16: compute the blocks in bfloat16; weights stay float32.
    remat: compute each block's activations again for the gradient.

  Raises:
    UserError: for settings that do not go together, or not with the size.
  """

  resolution: Resolution
  channels: int
  latent_size: int
  num_classes: int = 0
  axis_name: str | None = None
  depth: int = 12
  width: int = 384
  heads: int = 6
  patch: int = 2
  bfloat16: bool = False
  remat: bool = False

  def setup(self) -> None:
    """Makes the layers."""
    grid = _grid(self)
    self.places = transformer.positions(grid, self.width)
    self.layer1 = Dense(self.width, rate=_RATE)
    self.layer2 = Dense(self.width, rate=_RATE)
    if self.num_classes:
      init = nn.initializers.normal(0.02)
      self.classes = Embed(self.num_classes, self.latent_size, embedding_init=init)
    rows = (max(1, self.num_classes), self.width)
    self.average = self.variable(AVERAGES, 'w', jnp.zeros, rows)
    block = nn.remat(_Modulated) if self.remat else _Modulated
    turned = transformer.rotations(grid, self.width // self.heads)
    dtype = jnp.bfloat16 if self.bfloat16 else jnp.float32
    self.blocks = [block(self.heads, turned, dtype) for _ in range(self.depth)]
    self.levels = [_Head(self.patch**2 * self.channels) for _ in range(LEVELS)]

  def __call__(
    self, latents: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | tuple[jax.Array, ...]:
    """Generates `[B, H, W, C]`, or a tuple of levels; `train` moves the averages of w."""
    return self.synthesis(self.mapping(latents, labels, train), labels, train)

  def mapping(self, latents: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
    """What the layers are told, `[B, width]`."""
    x = rms(latents, 1e-8)
    if self.num_classes:
      x = jnp.concatenate([rms(self.classes(labels), 1e-8), x], axis=1)
    w = self.layer2(nn.silu(self.layer1(x)))
    if train and self.is_mutable_collection(AVERAGES) and not self.is_initializing():
      self._move_average(jax.lax.stop_gradient(w), labels)
    return w

  def synthesis(
    self, w: jax.Array, labels: jax.Array, train: bool
  ) -> jax.Array | tuple[jax.Array, ...]:
    """Images of w."""
    del labels
    x = jnp.broadcast_to(jnp.asarray(self.places), (w.shape[0], *self.places.shape))
    x = x.astype(jnp.bfloat16 if self.bfloat16 else jnp.float32)
    image = jnp.zeros(())
    images: list[jax.Array] = []
    for number, block in enumerate(self.blocks, start=1):
      x = block(x, w)
      if number % (self.depth // LEVELS) == 0:
        image = image + self._unpatched(self.levels[len(images)](x, w))
        images.append(image)
    return tuple(images) if train else image

  def truncated(self, latents: jax.Array, labels: jax.Array, share: jax.Array) -> jax.Array:
    """Images of w on the way from its class's average: at `share` `[B]`, 1: w itself."""
    w = self.truncate(self.mapping(latents, labels, train=False), labels, share)
    return self.synthesis(w, labels, train=False)  # type: ignore[return-value]

  def truncate(self, w: jax.Array, labels: jax.Array, share: jax.Array) -> jax.Array:
    """Takes w `[B, width]` to a share `[B]` of its way from its class's average."""
    mean = looked_up(self.average.value, labels) if self.num_classes else self.average.value
    return mean + share[:, None] * (w - mean)

  def _move_average(self, w: jax.Array, labels: jax.Array) -> None:
    """Moves the average of every class of which there are images."""
    of_class = jnp.ones((w.shape[0], 1))
    if self.num_classes:
      of_class = jax.nn.one_hot(labels, self.num_classes)
    sums, counts = of_class.T @ w, of_class.sum(axis=0)
    if self.axis_name is not None:
      sums, counts = jax.lax.pmean((sums, counts), self.axis_name)
    mean = sums / jnp.where(counts > 0, counts, 1)[:, None]
    moved = mean + _W_DECAY * (self.average.value - mean)
    self.average.value = jnp.where(counts[:, None] > 0, moved, self.average.value)

  def _unpatched(self, x: jax.Array) -> jax.Array:
    (height, width), p = _grid(self), self.patch
    x = x.reshape(-1, height, width, p, p, self.channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, height * p, width * p, self.channels)


class _Block(nn.Module):
  """A block of the discriminator, which adds its layers in small measure at first."""

  heads: int
  turned: Any
  dtype: Any

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    init = nn.initializers.constant(_LAYER_SCALE)
    layers = (
      ('attention', Attention(self.heads, self.turned, self.dtype, name='attention')),
      ('swiglu', SwiGLU(self.dtype, name='swiglu')),
    )
    for name, layer in layers:
      scale = self.param(f'{name}_weight', init, (x.shape[-1],)).astype(x.dtype)
      x = x + layer(RMSNorm(_EPSILON, name=f'{name}_norm')(x)) * scale
    return x


class Discriminator(nn.Module):
  """Maps four levels of images, a tuple of `[B, H, W, C]`, and labels `[B]` to logits `[B]`.

  Attributes:
    depth: blocks.
    width: of the tokens.
    heads: of attention.
    patch: side of a token's part of the image, pixels.
    label_size: of the embedding that the class token is compared with.
    scale_wise: judge each level by itself, with the same layers: logits `[B, 4]` (CAT).
    bfloat16: compute the blocks in bfloat16; weights stay float32.
    remat: compute each block's activations again for the gradient.

  Raises:
    UserError: for settings that do not go together, or not with the size.
  """

  resolution: Resolution
  channels: int
  num_classes: int = 0
  axis_name: str | None = None
  depth: int = 12
  width: int = 384
  heads: int = 6
  patch: int = 2
  label_size: int = 2048
  scale_wise: bool = False
  bfloat16: bool = False
  remat: bool = False

  def for_parts(self, parts: int) -> Self:
    """Itself: images have no part in each other's logits."""
    del parts
    return self

  def present(self, images: jax.Array) -> tuple[jax.Array, ...]:
    """Reals as they are judged: every level is the whole image."""
    return (images,) * LEVELS

  @nn.compact
  def __call__(self, images: Any, labels: jax.Array, train: bool) -> jax.Array:
    """Scores the images; training and what follows it are the same."""
    del train
    grid = _grid(self)
    check_positive('gat', self, ('label_size',))
    levels = images if isinstance(images, tuple) else self.present(images)
    scales = LEVELS if self.scale_wise else 1
    B, C = levels[0].shape[0], self.width
    seen = jnp.concatenate(levels, axis=0 if self.scale_wise else 3)
    x = Dense(C, name='patches')(self._patched(seen, grid)) + transformer.positions(grid, C)
    init = nn.initializers.normal(0.02)
    token = self.param('token', init, (scales, C))
    if self.scale_wise:
      x += self.param('scales', init, (scales, C)).repeat(B, axis=0)[:, None]
    x = jnp.concatenate([token.repeat(B, axis=0)[:, None], x], axis=1)
    turned = transformer.rotations(grid, C // self.heads)
    dtype = jnp.bfloat16 if self.bfloat16 else jnp.float32
    block = nn.remat(_Block) if self.remat else _Block
    x = x.astype(dtype)
    for number in range(self.depth):
      x = block(self.heads, turned, dtype, name=f'block{number}')(x)
    first = RMSNorm(_EPSILON, name='norm')(x[:, 0].astype(jnp.float32))
    features = Dense(self.label_size, name='features')(first).reshape(scales, B, -1)
    table = nn.Embed(max(1, self.num_classes), self.label_size, embedding_init=init, name='classes')
    classes = table(labels if self.num_classes else jnp.zeros(B, jnp.int32))
    classes = Dense(self.label_size, rate=_RATE, name='class1')(classes)
    classes = Dense(self.label_size, rate=_RATE, name='class2')(nn.silu(classes))
    logits = (features * classes).sum(axis=-1).T
    return logits if self.scale_wise else logits[:, 0]

  def _patched(self, x: jax.Array, grid: tuple[int, int]) -> jax.Array:
    (height, width), p = grid, self.patch
    x = x.reshape(x.shape[0], height, p, width, p, -1).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(x.shape[0], height * width, -1)
