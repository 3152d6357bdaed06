"""Spectral normalisation of a layer's weights (Miyato et al. 2018, arXiv:1802.05957)."""

from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn

COLLECTION = 'spectral'
"""The mutable collection of the vectors u."""


class SpectralNorm(nn.Module):
  """A layer whose kernel, as a matrix, has a largest singular value of about 1.

      x = SpectralNorm(Conv(64, 3, name='conv0'), name='conv0_spectral')(x, train)

  The layer keeps its place and its raw weights among the parameters; only what it computes with is
  divided by σ. A kernel is the matrix W of outputs by all its other axes, the outputs being its
  last axis unless the layer's attribute `output_axis` names another; a table of embeddings is the
  matrix of classes by features. Parameters of one axis, biases, stay as they are.

  Power iteration (Algorithm 1, Eq. 12 to 14) estimates σ = uᵀWv from a stored u, with
  v = Wᵀu / ‖Wᵀu‖ and then u = Wv / ‖Wv‖. Both are constants for differentiation, of any order, W
  is not, so that the result does not depend on the scale of W nor its gradient point along W.
  They depend on the weights alone: all devices have the same.

  A training pass stores the new u, if the collection `spectral` is mutable; any other pass
  estimates σ in the same way and stores nothing. Then u need not have unit length, so a moving
  average of it serves.

  Attributes:
    layer: called as `layer(x)`, with at least one kernel among its own parameters and no layers
      within. A kernel of zeros has no direction: its σ is 0 for ever.
    iterations: of the power method in a pass, at least 1.
    epsilon: the least norm that is divided by.
  """

  layer: nn.Module
  iterations: int = 1
  epsilon: float = 1e-12

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """The layer's result for `x`; `train` stores the new u."""
    if self.is_initializing():
      self.layer(x)  # makes its parameters
    layer, variables = self.layer.unbind()
    axis = getattr(self.layer, 'output_axis', -1)
    params = {
      name: self._normalised(name, weight, axis, train) if weight.ndim > 1 else weight
      for name, weight in variables['params'].items()
    }
    return cast(jax.Array, layer.apply({**variables, 'params': params}, x))

  def _normalised(self, name: str, kernel: jax.Array, axis: int, train: bool) -> jax.Array:
    matrix = jnp.moveaxis(kernel, axis, -1).reshape(-1, kernel.shape[axis])  # Wᵀ
    start = lambda: self._unit(jax.random.normal(self.make_rng('params'), matrix.shape[1:]))
    stored = self.variable(COLLECTION, name, start)
    fixed, u = jax.lax.stop_gradient((matrix, stored.value))
    for _ in range(self.iterations):
      v = self._unit(fixed @ u)
      u = self._unit(v @ fixed)
    if train and self.is_mutable_collection(COLLECTION) and not self.is_initializing():
      stored.value = u
    return kernel / jnp.maximum(v @ matrix @ u, self.epsilon)

  def _unit(self, x: jax.Array) -> jax.Array:
    return x / jnp.maximum(jnp.linalg.norm(x), self.epsilon)


def normalised(
  layer: nn.Module, x: jax.Array, train: bool, iterations: int = 1, epsilon: float = 1e-12
) -> jax.Array:
  """A named layer's result with spectral norm 1, by a `SpectralNorm` that is named after it."""
  return SpectralNorm(layer, iterations, epsilon, name=f'{layer.name}_spectral')(x, train)
