"""Starts a run from the weights of another one."""

import os
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest
from gan_jax.training import transfer
from gan_jax.training.state import Player, TrainState
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
    UserError: where the other workdir holds no run, or too little of it fits.
  """
  section, workdir = config.init, config.init.workdir
  try:
    record.load_config(workdir)
    about = record.read_circumstances(workdir).get('dataset') or {}
    checkpoints = checkpoint.Checkpointer(workdir, read_only=True)
    step, source = checkpoints.read(section.step)
  except UserError as error:
    raise UserError(f'config.init.workdir={workdir}: {error}') from error
  named = about.get('class_names') or []
  classes = None
  if config.model.conditional and named and dataset.num_classes:
    classes = transfer.class_map(dataset.class_names, named)
  of_generator = source['ema'] if section.weights == 'ema' else _variables(source['generator'])
  given = {'generator': of_generator, 'discriminator': _variables(source['discriminator'])}
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


def _variables(player: Any) -> dict[str, Any]:
  """A player's weights and collections out of a checkpoint, or out of a state."""
  if isinstance(player, Player):
    return {'params': player.params, **player.mutable}
  return {'params': player['params'], **(player.get('mutable') or {})}


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
