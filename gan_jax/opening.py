"""Opens a trained generator, whatever it was kept as: runs, and what further openers know."""

from collections.abc import Callable

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.sampling.model import Model

OPENERS: tuple[Callable[[str], Model | None], ...] = ()
"""Of generators that are no run of ours: each returns None for a path that is none of its kind."""


def open_model(path: str, checkpoint: int | None = None, batch_size: int = 64) -> Model:
  """Opens a run's generator, or that of another origin; see `gan_jax.open`."""
  if batch_size < 1:
    raise UserError(f'batch_size={batch_size}: accepted: numbers from 1')
  for opener in OPENERS:
    model = opener(path)
    if model is None:
      continue
    if checkpoint is not None:
      raise UserError(f'{path}: holds one generator, not checkpoints; leave the checkpoint out')
    model.batch_size = batch_size
    return model
  run = build.open_run(path, checkpoint)
  return Model(
    run.generator,
    run.variables,
    run.dtype,
    config=run.config,
    class_names=run.class_names,
    workdir=path,
    step=run.step,
    images_shown=run.images,
    batch_size=batch_size,
  )
