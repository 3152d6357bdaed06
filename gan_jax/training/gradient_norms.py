"""Squared norms of the discriminator's gradient at its images, beside the gradient of its loss."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree

PullBack = Callable[[jax.Array], tuple[PyTree, PyTree]]
"""Maps cotangents of logits to those of weights and of images, `jax.vjp`'s second result."""

# A slope of zero could not be divided by. What stands for it adds to the weights' gradient far less
# than rounding does.
_LEAST_SLOPE = 1e-20


def squared_norms(tree: PyTree) -> jax.Array:
  """Sums of squares of each example, `[B]`, of a tree of `[B, ...]`."""
  # float32: a sum of squares over thousands of pixels loses its small terms in bfloat16.
  sums = [
    jnp.sum(jnp.square(x.astype(jnp.float32)), axis=tuple(range(1, x.ndim)))
    for x in jax.tree.leaves(tree)
  ]
  return sum(sums[1:], sums[0])


def zero_centred(pull_back: PullBack, slopes: jax.Array) -> tuple[PyTree, jax.Array]:
  """Squared norm of the gradient of each logit at its image, and the weights' gradient beside it.

  At real images this is R1, at generated ones R2 (Mescheder et al. 2018, arXiv:1801.04406, Eq. 9
  and 10), without the factor γ/2.

  Where each logit depends on its own image alone, any slopes give the same norms. With those of the
  loss by the logits, the backward pass that the norms need is the one that the loss needs: its
  result for the weights is the gradient of the loss. If the network is piecewise linear as well,
  differentiating the norms never goes back through the forward pass, so that loss and penalty
  together take five passes over the network where one after the other takes six: forward, backwards
  to the images, to the weights, and the derivative of the second by both of its arguments.

  Args:
    pull_back: `jax.vjp`'s, of `(weights, images [B, H, W, C]) -> logits [B]` or `[B, n]`.
    slopes: what the logits are weighted with, of their shape, not differentiated; ones where a
      logit depends on other images as well or an example has several.

  Returns:
    The gradient of `sum(slopes * logits)` by the weights, and the squared norms `[B]`, squares
    summed over all but the first axis.
  """
  slopes = jax.lax.stop_gradient(slopes)
  slopes = jnp.where(jnp.abs(slopes) < _LEAST_SLOPE, _LEAST_SLOPE, slopes)
  by_weights, at_images = pull_back(slopes)
  if slopes.ndim == 1:
    divide = lambda x: x.astype(jnp.float32) / slopes.reshape(-1, *[1] * (x.ndim - 1))
    at_images = jax.tree.map(divide, at_images)
  return by_weights, squared_norms(at_images)
