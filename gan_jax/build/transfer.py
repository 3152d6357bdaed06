"""Starts a run from the weights of another one, or of networks that were handed on.

From a run of the same resolution it takes what fits by name and shape; out of one of lower
resolution it grows, see `growing`.
"""

import os
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax.build import growing
from gan_jax.build.elsewhere import brought
from gan_jax.build.growing import Other, averaged
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest
from gan_jax.training import precision, transfer
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
    other = _of_elsewhere(section) or _of_run(section)
    doublings = growing.doublings(config, other.config)
    classes = None
    if config.model.conditional and other.class_names and dataset.num_classes:
      classes = transfer.class_map(dataset.class_names, other.class_names)
    state = jax.device_get(state)
    if doublings:
      state, told = growing.begin(config, state, other, doublings, classes)
  except UserError as error:
    raise UserError(f'config.init.workdir={workdir}: {error}') from error
  if not doublings:
    state, told = _by_name(config, state, other, classes)
  new = (
    []
    if classes is None
    else [name for name, place in zip(dataset.class_names, classes, strict=True) if place < 0]
  )
  begins = {'from': os.path.abspath(workdir), 'step': other.step, 'weights': section.weights}
  return state, {**begins, 'new_classes': new, **told}


def _by_name(
  config: ConfigDict, state: TrainState, other: Other, classes: np.ndarray | None
) -> tuple[TrainState, dict[str, Any]]:
  """The state with what fits by name and shape, its optimisers at their start, and the record."""
  reports = {}
  for name, variables in other.variables.items():
    if config.init.players not in ('both', name):
      continue
    player = getattr(state, name)
    own = {'params': player.params, **player.mutable}
    filled, report = transfer.transfer(own, variables, classes, len(other.class_names))
    _check_share(config, name, report)
    params = filled.pop('params')
    state = state.replace(**{name: player.replace(params=params, mutable=filled)})
    reports[name] = report._asdict()
  generator = state.generator
  return state.replace(ema=averaged(state.ema, generator)), reports


def told_line(told: dict[str, Any]) -> str:
  """What a run took, for the screen."""
  parts = [
    f'{name} {len(told[name]["loaded"]) + len(told[name]["remapped"])} of '
    f'{len(told[name]["loaded"]) + len(told[name]["remapped"]) + _new(told[name])} arrays'
    for name in _PLAYERS[1:]
    if name in told
  ]
  size = told.get('grown')
  how = 'taken' if size is None else f'grown from {size["from"][1]}x{size["from"][0]}'
  return f'init      {told["from"]}: {how}, {", ".join(parts)}'


def _new(report: dict[str, Any]) -> int:
  return len(report['new'] if 'new' in report else report['skipped'])


def _of_run(section: ConfigDict) -> Other:
  """What a checkpoint of a run gives."""
  config = record.load_config(section.workdir)
  about = record.read_circumstances(section.workdir).get('dataset') or {}
  step, source = checkpoint.Checkpointer(section.workdir, read_only=True).read(section.step)
  average, live = precision.float32(source['ema']), variables_of(source['generator'])
  players = ('generator', 'discriminator')
  return Other(
    config,
    {
      'generator': average if section.weights == 'ema' else live,
      'discriminator': variables_of(source['discriminator']),
    },
    about.get('class_names') or [],
    step,
    average,
    {name: source[name]['opt_state'] for name in players},
    {name: source[name]['params'] for name in players},
    int(np.asarray(source['images']).astype(np.uint32)),
  )


def _of_elsewhere(section: ConfigDict) -> Other | None:
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
  names = list(found.class_names)
  return Other(found.config, given, names, found.step, found.variables, {}, {}, 0)


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
