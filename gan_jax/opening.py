"""Opens a trained generator, whatever it was kept as: runs, and what further openers know."""

from collections.abc import Callable

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.sampling.model import Model


def _brought(path: str) -> Model | None:
  """An exported folder, or a published file."""
  found = build.brought(path)
  return None if found is None else _model(found, path)


def _model(found: build.Brought | build.OpenRun, path: str) -> Model:
  return Model(
    found.generator,
    found.variables,
    found.dtype,
    config=found.config,
    class_names=found.class_names,
    workdir=path,
    step=found.step,
    images_shown=found.images,
  )


OPENERS: tuple[Callable[[str], Model | None], ...] = (_brought,)
"""Of generators that are no run of ours: each returns None for a path that is none of its kind."""


def open_model(path: str, checkpoint: int | None = None, batch_size: int = 64) -> Model:
  """Opens a run's generator, or that of another origin; see `gan_jax.open`."""
  if batch_size < 1:
    raise UserError(f'batch_size={batch_size}: accepted: numbers from 1')
  model = next(filter(None, (opener(path) for opener in OPENERS)), None)
  if model is None:
    model = _model(build.open_run(path, checkpoint), path)
  elif checkpoint is not None:
    raise UserError(f'{path}: holds one generator, not checkpoints; leave the checkpoint out')
  model.batch_size = batch_size
  return model
