"""Whether a run grows out of the one that it starts from, and the state that it begins with."""

from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax.build.data import image_size
from gan_jax.build.players import adam_settings, judge_name
from gan_jax.errors import UserError
from gan_jax.models import growing as architectures
from gan_jax.runtime.tree import PyTree
from gan_jax.training import growing, optim
from gan_jax.training.state import Player, TrainState


class Other(NamedTuple):
  """What a run can start from: another run, or networks that were handed on.

  Attributes:
    config: of it.
    variables: by player.
    class_names: of its dataset.
    step: of its checkpoint, or None.
    average: averaged variables of its generator.
    optimisers: states by player; {} where there are none.
    params: weights by player, that the optimisers are of.
    images: shown before the step.
  """

  config: ConfigDict
  variables: dict[str, PyTree]
  class_names: list[str]
  step: int | None
  average: PyTree
  optimisers: dict[str, Any]
  params: dict[str, PyTree]
  images: int


def doublings(config: ConfigDict, other: ConfigDict) -> int:
  """Doublings of the resolution from another run's; 0: this run does not grow out of it.

  Raises:
    UserError: where it is asked to, or the resolutions differ, and it cannot.
  """
  wanted = config.init.get('grow')
  before, now = image_size(other), image_size(config)
  if wanted is False or (before == now and not wanted):
    return 0
  say = lambda size: f'{size[1]}x{size[0]}'
  times = [b // a if b % a == 0 else 0 for a, b in zip(before, now, strict=True)]
  if times[0] != times[1] or times[0] < 2 or times[0] & (times[0] - 1):
    raise UserError(
      f'config.dataset.resolution: images of {say(now)}, and there of {say(before)}; growing takes '
      f'2, 4, 8, … times as many pixels a side{_way_out(config)}'
    )
  _check_architecture(config, other)
  count = times[0].bit_length() - 1
  name = config.model.name
  needed = architectures.RULES[name].settings(other[name], config[name], count)
  for key, value in needed.items():
    own = config[name].get(key)
    if (tuple(own) if isinstance(own, list) else own) != value:
      raise UserError(
        f'config.{name}.{key}={own!r}: growing from {say(before)} to {say(now)} takes {value!r}'
        f'{_way_out(config)}'
      )
  return count


def _way_out(config: ConfigDict) -> str:
  return '' if config.init.get('grow') else ' (config.init.grow=False takes what fits by name)'


def _check_architecture(config: ConfigDict, other: ConfigDict) -> None:
  """Refuses networks that do not grow, or out of one another."""
  known = ', '.join(sorted(architectures.RULES))
  if config.model.name != other.model.name or config.model.name not in architectures.RULES:
    raise UserError(
      f'config.model.name={config.model.name!r}, and there {other.model.name!r}: growing takes the '
      f'same one on both sides, of {known}{_way_out(config)}'
    )
  for own in (config, other):
    judge = judge_name(own)
    if config.init.players != 'generator' and judge != config.model.name:
      raise UserError(
        f'config.model.discriminator={judge!r}: does not grow; accepted: '
        f"{config.model.name!r} on both sides, or config.init.players='generator'"
      )


def begin(
  config: ConfigDict, state: TrainState, other: Other, count: int, classes: np.ndarray | None
) -> tuple[TrainState, dict[str, Any]]:
  """The state of step 0 of a run that grows, and the record of what was taken and what is new.

  Args:
    config: of the run that starts.
    state: as drawn, on the host.
    other: what it grows out of.
    count: doublings of the resolution.
    classes: see `transfer.transfer`.
  """
  rule = architectures.RULES[config.model.name]
  of_classes = classes, len(other.class_names)
  reports: dict[str, Any] = {}
  for name, variables in other.variables.items():
    if config.init.players not in ('both', name):
      continue
    player: Player = getattr(state, name)
    fresh = {'params': player.params, **player.mutable}
    source = growing.Source(name, variables, count, *of_classes)
    filled, report, begun = growing.grow(fresh, source, rule)
    params = filled.pop('params')
    opt_state, carried = _moments(config, name, player.opt_state, params, other, report, begun)
    grown = player.replace(params=params, mutable=filled, opt_state=opt_state)
    state = state.replace(**{name: grown})
    reports[name] = {**report._asdict(), 'moments': carried}
  state = state.replace(ema=_average(config, state, other, count, of_classes))
  size = {'from': list(image_size(other.config)), 'to': list(image_size(config))}
  return state, {'grown': size, **reports}


def _average(
  config: ConfigDict, state: TrainState, other: Other, count: int, of_classes: tuple[Any, int]
) -> PyTree:
  """The generator's average: that of the other run, grown by the same draws."""
  generator = state.generator
  own = {'params': generator.params, **generator.mutable}
  if config.init.weights == 'ema' or config.init.players == 'discriminator':
    return averaged(state.ema, generator)
  source = growing.Source('generator', other.average, count, *of_classes)
  grown = growing.grow(own, source, architectures.RULES[config.model.name])[0]
  return averaged(state.ema, generator.replace(params=grown.pop('params'), mutable=grown))


def averaged(like: PyTree, generator: Player) -> PyTree:
  """A generator's variables as its average, in the average's precision."""
  own = {'params': generator.params, **generator.mutable}
  return jax.tree.map(lambda x, now: np.asarray(now).astype(x.dtype), like, own)


def _moments(
  config: ConfigDict,
  name: str,
  opt_state: Any,
  params: PyTree,
  other: Other,
  report: growing.Report,
  begun: architectures.Begun,
) -> tuple[Any, int]:
  """An optimiser's state with the other one's moments, and the number of leaves that have them."""
  if name not in other.optimisers:
    return opt_state, 0
  taken = {path for path in report.loaded if path.startswith('params/')}
  cut = lambda path: path.removeprefix('params/')
  names = {cut(now): cut(old) for old, now in begun.moved.items() if now in taken}
  betas = lambda made, shown: growing.Betas(
    *map(float, optim.betas(adam_settings(made, name), shown))
  )
  state = growing.carry_moments(
    opt_state,
    params,
    other.optimisers[name],
    other.params[name],
    names,
    (betas(other.config, other.images), betas(config, 0)),
  )
  return jax.device_get(state), len(names) if state is not opt_state else 0
