"""What discriminators have in common whose layers may be normalised in one of several ways."""

from typing import Any, Self

import jax

from gan_jax.errors import UserError
from gan_jax.models.layers import check_choice
from gan_jax.models.spectral_norm import normalised


class NormalisedDiscriminator:
  """Beside `nn.Module`, of a discriminator with these fields.

  Attributes:
    discriminator_norm: 'batch' normalises by the batch; 'none' nothing; 'spectral' the weights of
      every layer and every embedding, `spectral_norm.SpectralNorm`.
    batch_parts: batches, one after the other in the rows, that are normalised each by itself.
    spectral_iterations: of the power method in a pass.
    spectral_epsilon: the least norm that spectral normalisation divides by.
  """

  clone: Any  # of `nn.Module`

  def for_parts(self, parts: int) -> Self:
    """The same network for a batch of parts that have no part in each other's logits."""
    return self.clone(batch_parts=parts)

  @property
  def piecewise_linear(self) -> bool:
    """Whether a logit is piecewise linear in its own image and depends on no other."""
    return self.discriminator_norm != 'batch'  # type: ignore[attr-defined]

  def check_norm(self, section: str) -> None:
    """Raises UserError for an unknown norm, and for a spectral epsilon that is not positive."""
    network: Any = self
    check_choice(section, network, 'discriminator_norm', ('batch', 'none', 'spectral'))
    if not network.spectral_epsilon > 0:
      raise UserError(
        f'config.{section}.spectral_epsilon={network.spectral_epsilon}: must be positive'
      )

  def run_layer(self, layer: Any, x: jax.Array, train: bool) -> jax.Array:
    """A layer's result, with its weights normalised where that is asked for."""
    network: Any = self
    if network.discriminator_norm != 'spectral':
      return layer(x)
    options = (network.spectral_iterations, network.spectral_epsilon)
    return normalised(layer, x, train, *options)
