"""How the stages of a network are computed: in which type, and whether again for the gradient.

Stages are counted from the image, whose own is 0: of a generator the last, of a discriminator the
first. The settings `bfloat16_stages` and `remat_stages` are how many of them, from there;
`grown_stages` how many were added to a network of lower resolution, see `growing`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UserError


class StagesError(UserError):
  """A setting is not among 0 to the number of stages.

  Attributes:
    count: of the stages.
  """

  def __init__(self, text: str, count: int):
    super().__init__(text)
    self.count = count


_SETTINGS = ('bfloat16_stages', 'remat_stages')


def check(section: str, network: Any, count: int, grown: int | None = None) -> None:
  """Raises UserError where a setting is not among 0 to `count`, the number of stages.

  Args:
    section: of the config.
    network: that has the settings.
    count: of its stages.
    grown: most of them that can have been grown; None: it has no such setting.
  """
  for name in _SETTINGS:
    if not 0 <= getattr(network, name) <= count:
      raise StagesError(
        f'config.{section}.{name}={getattr(network, name)}: accepted: 0 to {count}, the number of '
        'stages',
        count,
      )
  if grown is not None and not 0 <= network.grown_stages <= grown:
    raise UserError(
      f'config.{section}.grown_stages={network.grown_stages}: accepted: 0 to {grown}, which leave '
      'a network that this one can have grown from'
    )


def dtype(network: Any, stage: int) -> Any:
  """Of a stage's computation: bfloat16 or float32."""
  return jnp.bfloat16 if stage < network.bfloat16_stages else jnp.float32


def run(
  network: Any, stage: int, function: Callable[..., jax.Array], x: jax.Array, *of: Any
) -> jax.Array:
  """`function(network, x, *of)` of a stage, with `x` brought to its type.

  Where the stage is one of `remat_stages`, its activations are not kept for the gradient but
  computed again (Chen et al. 2016, arXiv:1604.06174): less memory, about a third more time.

  Args:
    network: whose layers the function makes and runs; what it makes elsewhere it cannot run.
    stage: counted from the image.
    function: may read other arrays of the network's call, from around it.
    x: features or images that enter.
    of: further arguments that are no arrays.
  """
  if stage < network.remat_stages:
    function = nn.remat(function, static_argnums=tuple(range(2, 2 + len(of))))
  return function(network, x.astype(dtype(network, stage)), *of)
