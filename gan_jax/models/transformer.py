"""Layers of vision transformers as GAT has them (arXiv:2509.24935)."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.models.layers import Initializer, rms

_XAVIER = nn.initializers.xavier_uniform()
_ONES = nn.initializers.ones


def positions(size: tuple[int, int], width: int) -> np.ndarray:
  """Fixed embedding of the places of a grid, `[h · w, width]`: the column first, then the row.

  Each has sines and then cosines of width / 4 frequencies, 10000^(−4i / width).
  """
  frequencies = 1 / 10000 ** (np.arange(width // 4) / (width / 4))
  rows, columns = np.meshgrid(*map(np.arange, size), indexing='ij')
  parts = []
  for places in (columns, rows):
    angles = places.reshape(-1, 1) * frequencies
    parts += [np.sin(angles), np.cos(angles)]
  return np.concatenate(parts, axis=1).astype(np.float32)


def rotations(size: tuple[int, int], head: int) -> tuple[np.ndarray, np.ndarray]:
  """Cosines and sines of rotary embedding, `[h · w, head]` each (Su et al., arXiv:2104.09864).

  The first half of a head turns with the row, the second with the column, in neighbouring pairs.
  """
  half = head // 2
  frequencies = 1 / 10000 ** (np.arange(0, half, 2) / half)
  rows, columns = np.meshgrid(*map(np.arange, size), indexing='ij')
  angles = [places.reshape(-1, 1) * frequencies.repeat(2) for places in (rows, columns)]
  found = np.concatenate(angles, axis=1)
  return np.cos(found).astype(np.float32), np.sin(found).astype(np.float32)


def rotate(x: jax.Array, turned: tuple[np.ndarray, np.ndarray]) -> jax.Array:
  """Turns the last tokens of `[B, heads, N, head]`, as many as there are rotations."""
  cosines, sines = (jnp.asarray(part, x.dtype) for part in turned)
  first = x.shape[2] - len(cosines)
  plain, x = x[:, :, :first], x[:, :, first:]
  pairs = x.reshape(*x.shape[:-1], -1, 2)
  across = jnp.stack([-pairs[..., 1], pairs[..., 0]], axis=-1).reshape(x.shape)
  return jnp.concatenate([plain, x * cosines + across * sines], axis=2)


class Dense(nn.Module):
  """A linear layer on the last axis, Xavier-initialised; weights are float32.

  Attributes:
    features: of the result.
    rate: weights and bias are this times what is stored, which starts so much the larger
      (equalised learning rate).
    gain: of the initial weights.
    dtype: of the computation.
  """

  features: int
  rate: float = 1.0
  gain: float = 1.0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[..., C]` to `[..., features]`."""
    scale = self.gain / self.rate
    init = lambda *args: scale * _XAVIER(*args)
    kernel = self.param('kernel', init, (x.shape[-1], self.features))
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    # As a product of two matrices: over more axes than two the CPU copies for the gradient.
    flat = x.reshape(-1, x.shape[-1]).astype(self.dtype)
    flat = flat @ (kernel * self.rate).astype(self.dtype) + (bias * self.rate).astype(self.dtype)
    return flat.reshape(*x.shape[:-1], self.features)


class RMSNorm(nn.Module):
  """`rms` of the last axis times a learned scale."""

  epsilon: float
  scale_init: Initializer = _ONES

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Normalises `[..., C]`."""
    scale = self.param('scale', self.scale_init, (x.shape[-1],))
    return rms(x, self.epsilon) * scale.astype(x.dtype)


class Attention(nn.Module):
  """Self-attention of `[B, N, C]` with normalised queries and keys and rotary embedding."""

  heads: int
  turned: tuple[np.ndarray, np.ndarray]
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Attends; the last tokens have places, those before them none."""
    B, N, C = x.shape
    head = C // self.heads
    parts = Dense(3 * C, dtype=self.dtype, name='qkv')(x).reshape(B, N, 3, self.heads, head)
    q, k, v = jnp.moveaxis(parts, (2, 3), (0, 2))
    epsilon = float(np.finfo(np.float32).eps)
    q = rotate(RMSNorm(epsilon, name='q_norm')(q), self.turned)
    k = rotate(RMSNorm(epsilon, name='k_norm')(k), self.turned)
    products = jnp.einsum('bhqc,bhkc->bhqk', q, k).astype(jnp.float32) / math.sqrt(head)
    shares = nn.softmax(products).astype(self.dtype)
    x = jnp.einsum('bhqk,bhkc->bhqc', shares, v).swapaxes(1, 2).reshape(B, N, C)
    return Dense(C, dtype=self.dtype, name='result')(x)


class SwiGLU(nn.Module):
  """A feed-forward layer with a gate (Shazeer, arXiv:2002.05202), 8/3 times as wide."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[..., C]` to the same shape."""
    C = x.shape[-1]
    hidden = int(2 / 3 * 4 * C)
    a, b = jnp.split(Dense(2 * hidden, dtype=self.dtype, name='gates')(x), 2, axis=-1)
    return Dense(C, dtype=self.dtype, name='result')(nn.silu(a) * b)
