"""Starts a run from the weights of another one, or of networks that were handed on."""

import os
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax.build.elsewhere import brought
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest
from gan_jax.training import transfer
from gan_jax.training.state import TrainState, variables_of
from gan_jax.workdir import checkpoint, record

_WEIGHTS, _PLAYERS = ('ema', 'live'), ('both', 'generator', 'discriminator')


def check_init(config: ConfigDict) -> None:
  """Raises UserError for keys of `init` that no transfer can have."""
  section = config.get('init')
  if section is None:
    return
  for key, accepted in (('weights', _WEIGHTS), ('players', _PLAYERS)):
    if section[key] not in accepted:
      raise UserError(f'config.init.{key}={section[key]!r}: {nearest(section[key], accepted)}')


def start_from(
  config: ConfigDict, state: TrainState, dataset: ImageDataset
) -> tuple[TrainState, dict[str, Any]]:
  """Fills a run's first state with what another run learnt.

  Args:
    config: of the run that starts; `init` names the other.
    state: of step 0, on the host or a device.
    dataset: that is trained on.

  Returns:
    The state, its optimisers at their start, and the record of what was loaded and what was not.

  Raises:
    UserError: where there is no run and no network there, or too little of it fits.
  """
  section, workdir = config.init, config.init.workdir
  try:
    given, named, step = _of_elsewhere(section) or _of_run(section)
  except UserError as error:
    raise UserError(f'config.init.workdir={workdir}: {error}') from error
  classes = None
  if config.model.conditional and named and dataset.num_classes:
    classes = transfer.class_map(dataset.class_names, named)
  state, reports = jax.device_get(state), {}
  for name, variables in given.items():
    if section.players not in ('both', name):
      continue
    player = getattr(state, name)
    own = {'params': player.params, **player.mutable}
    filled, report = transfer.transfer(own, variables, classes, len(named))
    _check_share(config, name, report)
    params = filled.pop('params')
    state = state.replace(**{name: player.replace(params=params, mutable=filled)})
    reports[name] = report._asdict()
  generator = state.generator
  state = state.replace(ema={'params': generator.params, **generator.mutable})
  told = {'from': os.path.abspath(workdir), 'step': step, 'weights': section.weights}
  new = (
    []
    if classes is None
    else [name for name, place in zip(dataset.class_names, classes, strict=True) if place < 0]
  )
  return state, {**told, 'new_classes': new, **reports}


_Source = tuple[dict[str, Any], list[str], int | None]
"""Variables by player, names of the classes, and the step."""


def _of_run(section: ConfigDict) -> _Source:
  """What a checkpoint of a run gives."""
  record.load_config(section.workdir)
  about = record.read_circumstances(section.workdir).get('dataset') or {}
  step, source = checkpoint.Checkpointer(section.workdir, read_only=True).read(section.step)
  of_generator = source['ema'] if section.weights == 'ema' else variables_of(source['generator'])
  given = {'generator': of_generator, 'discriminator': variables_of(source['discriminator'])}
  return given, about.get('class_names') or [], step


def _of_elsewhere(section: ConfigDict) -> _Source | None:
  """What an exported folder or a published file gives; None where it is neither."""
  found = brought(section.workdir)
  if found is None:
    return None
  if section.step is not None or section.weights != 'ema':
    key = 'weights' if section.step is None else 'step'
    raise UserError(f'config.init.{key}={section[key]!r}: it holds one average and no checkpoints')
  networks = {'generator': found.variables, 'discriminator': found.discriminator}
  given = {name: variables for name, variables in networks.items() if variables is not None}
  if section.players not in ('both', *given):
    raise UserError(f'config.init.players={section.players!r}: it holds a {" and a ".join(given)}')
  return given, list(found.class_names), found.step


def _check_share(config: ConfigDict, name: str, report: transfer.Report) -> None:
  """Refuses a network of which too little is the other run's."""
  least = config.init.least_share
  if report.share < least:
    some = '; '.join(f'{path}: {why}' for path, why in list(report.skipped.items())[:3])
    raise UserError(
      f'config.init.workdir={config.init.workdir}: {report.share:.0%} of the {name} fits, less '
      f'than config.init.least_share={least}; {some}. Take the same model section as that run, or '
      'lower config.init.least_share'
    )
