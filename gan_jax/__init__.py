"""gan_jax: train, compare and judge image GANs in JAX.

`gan_jax.open('runs/digits')` opens a trained generator; see `gan_jax/sampling/README.md`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from gan_jax.sampling.model import Model


def open(path: str, *, checkpoint: int | None = None, batch_size: int = 64) -> 'Model':
  """Opens a trained generator.

  Args:
    path: workdir of a run, or what one of `opening.OPENERS` knows.
    checkpoint: of a run, by its step or by the images shown before it; None: the newest.
    batch_size: images at once at most, over all local devices.

  Raises:
    UserError: where nothing of this kind is there.
  """
  from gan_jax import opening  # JAX is imported when it is needed

  return opening.open_model(path, checkpoint, batch_size)
