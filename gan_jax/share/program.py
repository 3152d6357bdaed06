"""A generator as a program that is run without this package: StableHLO, by `jax.export`.

The weights are an argument, a flat dict as `safetensors` gives it: they stand in one file, and the
program is small. It is made of the plain form of every operation, so that one program serves every
platform and every size of a batch.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util
from jax import export

from gan_jax.errors import UserError
from gan_jax.ops import linear, pixels
from gan_jax.sampling.programs import generate

PLATFORMS = ('cpu', 'cuda', 'tpu')
_SEPARATOR = '/'

Weights = dict[str, Any]
"""Arrays by their paths, `params/stem/kernel`."""


def flat(variables: Any) -> Weights:
  """Variables by whole paths, as files and programs name them."""
  return traverse_util.flatten_dict(variables, sep=_SEPARATOR)


def nested(weights: Weights) -> Any:
  """The other way."""
  return traverse_util.unflatten_dict(weights, sep=_SEPARATOR)


def function(generator: nn.Module, dtype: Any) -> Callable[..., jax.Array]:
  """What the program computes.

  Returns:
    `(weights, latents [B, z], labels [B], truncation []) -> images [B, H, W, C]` of `dtype`. The
    truncation is that of `sample`: on the way to the mean of w where the generator has one, else a
    factor on the latents.
  """

  def run(
    weights: Weights, latents: jax.Array, labels: jax.Array, truncation: jax.Array
  ) -> jax.Array:
    # GPUs and TPUs default to less than float32.
    with jax.default_matmul_precision('float32'), linear.plain_forms():
      share = jnp.broadcast_to(truncation, latents.shape[:1])
      images = generate(generator, nested(weights), latents, labels, share)
    return pixels.from_model(images, dtype)

  return run


def stablehlo(generator: nn.Module, variables: Any, dtype: Any) -> bytes:
  """Serialises the program, for any batch size and all of `PLATFORMS`.

  Raises:
    UserError: for a generator that is not written for a batch of any size, such as one of a user's
      own file.
  """
  network: Any = generator
  shape = lambda size, kind: jax.ShapeDtypeStruct(size, kind)
  weights = {name: shape(np.shape(x), np.asarray(x).dtype) for name, x in flat(variables).items()}
  (batch,) = export.symbolic_shape('batch')
  arguments = (
    weights,
    shape((batch, network.latent_size), np.float32),
    shape((batch,), np.int32),
    shape((), np.float32),
  )
  program = jax.jit(function(generator, dtype))
  try:
    return bytes(export.export(program, platforms=PLATFORMS)(*arguments).serialize())
  except Exception as error:  # whatever JAX or the network says of a batch without a number
    found = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
    name = type(generator).__module__
    raise UserError(f'{name}: cannot be made a program for any batch size ({found})') from error
