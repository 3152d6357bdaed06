"""Fits a training step into a budget of memory: stages whose activations are computed again.

Of a step that is compiled, the compiler says what it takes. So the choice is made by compiling, by
bisection for the smallest number of stages; the program that is chosen is the one that trains.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax.build.data import batch_shapes, image_size
from gan_jax.build.elsewhere import as_judged
from gan_jax.build.players import Networks, judge_name, networks
from gan_jax.build.programs import TrainingPrograms, shapes, training_programs
from gan_jax.build.recipe import recipe
from gan_jax.build.sections import name_of
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.models.stages import StagesError
from gan_jax.runtime import parallel
from gan_jax.runtime.programs import memory_of

_UNIT = 1e9
_NUMBER, _ALL = 'remat_stages', 'remat'  # fields of networks: how many stages, or all or none

Settings = dict[str, int | bool]
"""Values of keys, such as `r3gan.remat_stages`."""


class Fitted(NamedTuple):
  """Programs of a run, and what was chosen for them.

  Attributes:
    programs: of the loop.
    chosen: `memory_gb`, `settings`, `bytes`, and `tried`, the bytes of each other try; None where
      no budget was given.
  """

  programs: TrainingPrograms
  chosen: dict[str, Any] | None = None

  @property
  def line(self) -> str:
    """The choice, for the screen."""
    assert self.chosen is not None
    return (
      f'budget    {_told(self.chosen["settings"])}: {self.chosen["bytes"] / 1e6:,.0f} of '
      f'{self.chosen["memory_gb"] * _UNIT / 1e6:,.0f} MB'
    )


def within_budget(
  config: ConfigDict,
  parts: Networks,
  dataset: ImageDataset,
  kept: dict[str, Any] | None = None,
) -> Fitted:
  """The programs of a run, its step within `train.memory_gb` of each device.

  Args:
    config: of the run.
    parts: its networks, as the config has them.
    dataset: that is trained on.
    kept: what was chosen when the run began; it stays where the budget is the same.

  Raises:
    UserError: where no choice fits; says the least that one takes.
  """
  budget = config.train.get('memory_gb')
  if not budget:
    return Fitted(training_programs(config, parts, dataset))
  if kept and kept['memory_gb'] == budget:
    return Fitted(_programs(config, parts, dataset, kept['settings']), kept)
  steps = _choices(config, parts)
  found: dict[int, tuple[TrainingPrograms, int]] = {}

  def fits(place: int) -> bool:
    programs = _programs(config, parts, dataset, steps[place])
    found[place] = programs, _bytes(config, parts, dataset, programs)
    return found[place][1] <= budget * _UNIT

  place = 0 if fits(0) else len(steps) - 1
  if place:
    if not fits(place):
      raise UserError(_refusal(config, {i: size for i, (_, size) in found.items()}, steps))
    below = 0
    while place - below > 1:
      middle = (below + place) // 2
      below, place = (below, middle) if fits(middle) else (middle, place)
  programs, size = found[place]
  tried = {_told(steps[i]): size for i, (_, size) in sorted(found.items())}
  chosen = {'memory_gb': budget, 'settings': steps[place], 'bytes': size, 'tried': tried}
  return Fitted(programs, chosen)


def _told(settings: Settings) -> str:
  return ', '.join(f'{key}={value}' for key, value in settings.items())


def _choices(config: ConfigDict, parts: Networks) -> list[Settings]:
  """Settings of the networks' sections, from the config's own to all stages."""
  counts: dict[str, int] = {}
  for name, network in ((config.model.name, parts.generator), (judge_name(config), parts[1])):
    section = name_of(name)
    for field, count in _fields(config, network):
      key = f'{section}.{field}'
      counts[key] = min(counts.get(key, count), count)
  own = {key: config[key.split('.')[0]].get(key.split('.')[1], 0) for key in counts}
  choices: list[Settings] = []
  for number in range(max(counts.values(), default=0) + 1):
    value = lambda key, n=number: max(own[key], min(n, counts[key]))
    settings = {
      key: bool(value(key)) if key.endswith(f'.{_ALL}') else int(value(key)) for key in counts
    }
    if settings not in choices:
      choices.append(settings)
  return choices


def _fields(config: ConfigDict, network: Any) -> Iterator[tuple[str, int]]:
  """The setting of a network, if it has one, and its largest value."""
  if hasattr(network, _ALL):
    yield _ALL, 1
  if not hasattr(network, _NUMBER):
    return
  # The network knows its stages when it is called, and says how many where it is asked for more.
  x = np.zeros((1, getattr(network, 'latent_size', 1)), np.float32)
  if not hasattr(network, 'latent_size'):
    x = as_judged(network, (*image_size(config), network.channels))
  labels, many = np.zeros((1,), np.int32), network.clone(**{_NUMBER: 1 << 20})
  try:
    jax.eval_shape(lambda: many.init(jax.random.key(0), x, labels, train=False))
  except StagesError as error:
    yield _NUMBER, error.count


def _programs(
  config: ConfigDict, parts: Networks, dataset: ImageDataset, settings: Settings
) -> TrainingPrograms:
  """The programs of the config with other settings."""
  made = config.copy_and_resolve_references()
  made.update_from_flattened_dict(settings)
  others = networks(made, parts.generator.channels, dataset.num_classes)
  return training_programs(made, others, dataset)


def _bytes(
  config: ConfigDict, parts: Networks, dataset: ImageDataset, programs: TrainingPrograms
) -> int:
  """What the step takes of each device, compiled."""
  examples = recipe(config, parts).examples_per_step
  batch = batch_shapes(examples, dataset.shape, dataset.dtype)
  compiled = programs.step.compiled(
    parallel.shapes_of(shapes(config, parts)), parallel.shapes_of(batch, sharded=True)
  )
  found = memory_of(compiled)
  if found is None:
    raise UserError(
      f'config.train.memory_gb={config.train.memory_gb}: this backend does not count the memory of '
      'a program; accepted: 0'
    )
  return found.total


def _refusal(config: ConfigDict, sizes: dict[int, int], steps: list[Settings]) -> str:
  least = min(sizes, key=lambda place: sizes[place])
  told = _told(steps[least])
  more = f' with {told}' if told else ''
  return (
    f'config.train.memory_gb={config.train.memory_gb}: a step takes at least '
    f'{sizes[least] / _UNIT:.3g} GB of each device{more}; accepted: more than that, a larger '
    'config.train.accumulate, a smaller config.train.batch_size, or bfloat16_stages of the model'
  )
