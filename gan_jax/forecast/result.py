"""A forecast: what a run of a config costs on some devices."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.forecast import costs, rehearsal
from gan_jax.forecast.costs import Cost, Images
from gan_jax.forecast.targets import Target
from gan_jax.runtime import machine

_JOULES_A_KWH = 3.6e6


class Options(NamedTuple):
  """How a forecast is made.

  Attributes:
    effort: of the compiler for TPUs, -1 to 1; 0: as a run has it.
    efficiency: share of the bound that such programs were measured to reach; None: not measured.
    say: takes a line about what is being done.
  """

  effort: float = 0.0
  efficiency: float | None = None
  say: Callable[[str], None] = lambda line: None


class Forecast(NamedTuple):
  """What a run costs.

  Attributes:
    target: its devices.
    batch_size: images of an update, over all devices.
    images: real images that a step shows.
    cost: of a step on one device.
    memory_bytes: of a device; of CPUs, of the whole process.
    limit_bytes: memory of a device; of CPUs, of the machine.
    seconds_per_step: measured on a CPU; elsewhere the bound over the efficiency. None: unknown.
    bound: what that is decided by: `operations`, `memory` (bytes moved), `measured`, `unknown`.
    efficiency: that the bound was divided by, or None.
    steps: of the whole run.
    checkpoint_bytes: of one on disk.
    kept_checkpoints: how many a run keeps.
    compile_seconds: of the step, where it was compiled here for this run; else None.
    compiling_bytes: memory of the process that did so, which is more; None likewise.
  """

  target: Target
  batch_size: int
  images: int
  cost: Cost
  memory_bytes: int
  limit_bytes: int
  seconds_per_step: float | None
  bound: str
  efficiency: float | None
  steps: int
  checkpoint_bytes: int
  kept_checkpoints: int
  compile_seconds: float | None
  compiling_bytes: int | None = None

  @property
  def fits(self) -> bool:
    """Whether the devices have the memory."""
    return self.memory_bytes <= self.limit_bytes

  @property
  def seconds(self) -> float | None:
    """Of all steps; evaluations, samples and saving come on top."""
    return None if self.seconds_per_step is None else self.steps * self.seconds_per_step

  @property
  def kilowatt_hours(self) -> float | None:
    """Of the devices at their maker's greatest power, over all steps."""
    watts = self.target.chip and self.target.chip.watts
    if self.seconds is None or watts is None:
      return None
    return self.seconds * watts * self.target.devices / _JOULES_A_KWH

  def as_json(self) -> dict[str, Any]:
    """All of it, as JSON can hold it."""
    chip, cost = self.target.chip, self.cost
    return {
      'devices': self.target.name,
      'device_count': self.target.devices,
      'batch_size': self.batch_size,
      'images_per_step': self.images,
      'memory_bytes': self.memory_bytes,
      'memory_limit_bytes': self.limit_bytes,
      'fits': self.fits,
      'temporary_bytes': cost.memory.temporary,
      'device_bytes': cost.memory.total,
      'argument_bytes': cost.memory.arguments,
      'output_bytes': cost.memory.results,
      'alias_bytes': cost.memory.reused,
      'code_bytes': cost.code_bytes,
      'held_bytes': cost.held,
      'flops': cost.flops,
      'bytes_accessed': cost.bytes_accessed,
      'seconds_per_step': self.seconds_per_step,
      'bound': self.bound,
      'efficiency': self.efficiency,
      'estimated': cost.estimated,
      'steps': self.steps,
      'run_seconds': self.seconds,
      'run_kilowatt_hours': self.kilowatt_hours,
      'watts': chip and chip.watts,
      'source': chip and chip.source,
      'checkpoint_bytes': self.checkpoint_bytes,
      'checkpoints_bytes': self.checkpoint_bytes * self.kept_checkpoints,
      'compile_seconds': self.compile_seconds,
      'compiling_bytes': self.compiling_bytes,
    }


def forecast(
  config: ConfigDict, images: Images, target: Target, options: Options, run: bool = True
) -> Forecast:
  """Forecasts a run of a config on some devices.

  Args:
    config: of the run.
    images: that it is trained on.
    target: its devices.
    options: how.
    run: steps on a CPU, where there is memory for them.

  Raises:
    UserError: for a config that no run on these devices can have.
    NotDoneError: where a step on the CPU was killed.
  """
  check(config, target)
  tried = None
  if target.platform == 'cpu':
    tried = rehearsal.rehearse(config, images, target.devices, run)
    cost, seconds, bound = tried.cost, tried.step_seconds, 'measured'
    memory, limit, efficiency = tried.process_bytes, machine.total_bytes(), None
    if seconds is None:
      bound = 'unknown'
  else:
    cost = costs.of_step(costs.step_of(config, images, target.devices), target, options.effort)
    assert target.chip is not None
    efficiency = options.efficiency
    seconds, bound = least_seconds(cost, target)
    seconds = None if seconds is None else seconds / (efficiency or 1)
    memory, limit = cost.memory.total, target.chip.memory
  shown = build.images_per_step(config)
  written = tried.checkpoint_bytes if tried else None
  return Forecast(
    target,
    config.train.batch_size,
    shown,
    cost,
    memory,
    limit,
    seconds,
    bound,
    efficiency,
    math.ceil(config.train.images / shown),
    sum(cost.held.values()) - cost.held['batch'] if written is None else written,
    config.checkpoint.keep_last + config.checkpoint.keep_best,
    tried.compile_seconds if tried else None,
    tried.compiling_bytes if tried else None,
  )


def check(config: ConfigDict, target: Target) -> None:
  """Raises UserError for a config that no run on these devices can have."""
  build.check(config, elsewhere=True)
  size = config.train.batch_size
  if size < 1 or size % target.devices:
    raise UserError(
      f'config.train.batch_size={size}: must be a positive multiple of the {target.devices} '
      f'devices of --devices={target.name}'
    )


def least_seconds(cost: Cost, target: Target) -> tuple[float | None, str]:
  """The least time of a step, and by what: operations at the chip's peak, or bytes at its speed."""
  assert target.chip is not None
  if cost.bytes_accessed is None:
    return None, 'unknown'
  computing = cost.flops / target.chip.flops
  moving = cost.bytes_accessed / target.chip.bandwidth
  return max(computing, moving), 'operations' if computing >= moving else 'memory'


def largest_batch(found: list[Forecast]) -> int:
  """The largest batch that fits, by memory taken to grow evenly with it; 0: none does.

  Args:
    found: forecasts of one config for the same devices, at one batch size or several.
  """
  first, *others = sorted(found, key=lambda each: each.batch_size)
  count = first.target.devices
  if others:
    last = others[-1]
    images = last.batch_size - first.batch_size
    slope = (last.memory_bytes - first.memory_bytes) / images if images else 0.0
  else:
    on_it = count if first.target.platform == 'cpu' else 1  # devices that share the memory
    growing = first.cost.memory.temporary + first.cost.held['batch']
    slope = on_it * growing / first.batch_size
  fixed = first.memory_bytes - slope * first.batch_size
  if slope <= 0:
    return max(each.batch_size for each in found) if first.fits else 0
  size = int((first.limit_bytes - fixed) / slope)
  return max(0, size // count * count)
