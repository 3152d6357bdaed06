"""Fits a training step into a budget of memory.

Stages whose activations are computed again come first, then parts of the batch one after the other:
the same values to float tolerance, for time. Of a step that is compiled, the compiler says what it
takes. So the choice is made by compiling, by bisection for the smallest number of stages; the
program that is chosen is the one that trains.
"""

from collections.abc import Iterator, Sequence
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
from gan_jax.runtime.programs import Memory, memory_of

_UNIT = 1e9
_NUMBER, _ALL = 'remat_stages', 'remat'  # fields of networks: how many stages, or all or none
_PARTS = 'train.accumulate'

Settings = dict[str, int | bool]
"""Values of keys, such as `r3gan.remat_stages`."""


class Fitted(NamedTuple):
  """Programs of a run, and what was chosen for them.

  Attributes:
    programs: of the loop.
    config: that they are of, the chosen settings in it.
    chosen: `memory_gb`, `images` of a device, `settings`, `bytes`, and `tried`, the bytes of each
      try; None where no budget was given.
  """

  programs: TrainingPrograms
  config: ConfigDict
  chosen: dict[str, Any] | None = None

  @property
  def line(self) -> str:
    """The choice, for the screen."""
    assert self.chosen is not None
    told = _told(self.chosen['settings']) or 'as it is'
    size, most = self.chosen['bytes'] / 1e6, self.chosen['memory_gb'] * _UNIT / 1e6
    return f'budget    {told}: {size:,.0f} of {most:,.0f} MB'


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
    kept: what was chosen when the run began; it stays where the budget and the images are the same.

  Raises:
    UserError: where no choice fits; says the least that one takes.
  """
  budget = config.train.get('memory_gb')
  if not budget:
    return Fitted(training_programs(config, parts, dataset), config)
  share = config.train.batch_size // jax.device_count()
  if kept and (kept['memory_gb'], kept.get('images', share)) == (budget, share):
    settings = kept['settings']
    return Fitted(_programs(config, parts, dataset, settings), _with(config, settings), kept)
  tries = _Tries(config, parts, dataset, budget * _UNIT)
  settings = _fitting(tries, _choices(config, parts))
  programs, memory = tries.found[_told(settings)]
  tried = {told: size.total for told, (_, size) in tries.found.items()}
  chosen = {'memory_gb': budget, 'images': share, 'settings': settings, 'bytes': memory.total}
  return Fitted(programs, _with(config, settings), {**chosen, 'tried': tried})


class _Tries:
  """Programs that were compiled to see what they take.

  Attributes:
    config: of the run.
    parts: its networks.
    found: programs and their memory, by their settings in words.
  """

  def __init__(self, config: ConfigDict, parts: Networks, dataset: ImageDataset, budget: float):
    self.config, self.parts, self._dataset, self._budget = config, parts, dataset, budget
    self.found: dict[str, tuple[TrainingPrograms, Memory]] = {}

  def memory(self, settings: Settings) -> Memory:
    """What a step with these settings takes of each device."""
    told = _told(settings)
    if told not in self.found:
      programs = _programs(self.config, self.parts, self._dataset, settings)
      config = _with(self.config, settings)
      self.found[told] = programs, _memory(config, self.parts, self._dataset, programs)
    return self.found[told][1]

  def fits(self, settings: Settings) -> bool:
    """Whether a step with these settings is within the budget."""
    return self.memory(settings).total <= self._budget

  def hold_too_much(self, settings: Settings) -> bool:
    """Whether state and batch alone are beyond the budget."""
    return self.memory(settings).held > self._budget


def _fitting(tries: _Tries, stages: list[Settings]) -> Settings:
  """The first choice that fits: fewest parts of the batch, of these the fewest stages."""
  if tries.fits(stages[0]):
    return stages[0]
  found, refused = _fewest(tries, stages, 0), ''
  if found is None and not tries.hold_too_much(stages[0]):
    counts, refused = _parts_of_batch(tries.config, tries.parts)
    for count in counts:
      found = _fewest(tries, [{**each, _PARTS: count} for each in stages], -1)
      if found is not None:
        break
  if found is None:
    raise UserError(_refusal(tries, refused))
  return found


def _fewest(tries: _Tries, choices: Sequence[Settings], below: int) -> Settings | None:
  """The first of ever smaller choices that fits, beyond one that does not; None: not the last."""
  place = len(choices) - 1
  if not tries.fits(choices[place]):
    return None
  while place - below > 1:
    middle = (below + place) // 2
    below, place = (below, middle) if tries.fits(choices[middle]) else (middle, place)
  return choices[place]


def _parts_of_batch(config: ConfigDict, parts: Networks) -> tuple[list[int], str]:
  """Counts of parts whose result is that of the whole batch; where there are none, why."""
  share = config.train.batch_size // jax.device_count()
  counts, refused = [], ''
  for count in range(config.train.accumulate + 1, share + 1):
    if share % count:
      continue
    try:
      recipe(_with(config, {_PARTS: count}), parts)
      counts.append(count)
    except UserError as error:
      refused = refused or str(error).partition('; accepted')[0]
  return counts, '' if counts else refused


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


def _with(config: ConfigDict, settings: Settings) -> ConfigDict:
  """A copy with other settings."""
  made = config.copy_and_resolve_references()
  made.update_from_flattened_dict(settings)
  return made


def _programs(
  config: ConfigDict, parts: Networks, dataset: ImageDataset, settings: Settings
) -> TrainingPrograms:
  """The programs of the config with other settings."""
  made = _with(config, settings)
  others = networks(made, parts.generator.channels, dataset.num_classes)
  return training_programs(made, others, dataset)


def _memory(
  config: ConfigDict, parts: Networks, dataset: ImageDataset, programs: TrainingPrograms
) -> Memory:
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
  return found


def _refusal(tries: _Tries, refused: str) -> str:
  """Why nothing fits, with the least that was reached and, where it is so, why in no parts."""
  sizes = {told: memory.total for told, (_, memory) in tries.found.items()}
  least = min(sizes, key=lambda told: sizes[told])
  more = f' with {least}' if least else ''
  why = f'; in parts it would not be the same: {refused}' if refused else ''
  return (
    f'config.train.memory_gb={tries.config.train.memory_gb}: a step takes at least '
    f'{sizes[least] / _UNIT:.3g} GB of each device{more}{why}; accepted: more than that, a smaller '
    'config.train.batch_size, or bfloat16_stages of the model'
  )
