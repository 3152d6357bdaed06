"""Modified orthogonal regularisation of the generator (BigGAN, arXiv:1809.11096, Eq. 3)."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.training.view import GeneratorView


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of orthogonal regularisation.

  Attributes:
    weight: λ of λ/2 Σ‖WWᵀ ∘ (1 − I)‖² over the generator's kernels; embeddings are left out.
  """

  weight: float = 1e-4


def generator(view: GeneratorView, settings: Settings) -> jax.Array:
  """½ Σ‖WWᵀ ∘ (1 − I)‖² over kernels as matrices of output channels × the rest, a scalar."""
  del settings
  total = jnp.zeros(())
  for path, kernel in jax.tree_util.tree_leaves_with_path(view.params):
    if kernel.ndim < 2 or path[-1].key == 'embedding':
      continue
    rows = kernel.reshape(-1, kernel.shape[-1]).T
    # Through the smaller of both products: ‖WWᵀ‖ = ‖WᵀW‖, and the diagonal is the rows' norms.
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    diagonal = jnp.sum(jnp.square(rows), axis=1)
    total += (jnp.sum(jnp.square(gram)) - jnp.sum(jnp.square(diagonal))) / 2
  return total
