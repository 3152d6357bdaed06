"""A forecast in one line, by the program that a run has compiled anyway."""

import re
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.forecast import chips, costs
from gan_jax.forecast.shown import duration, size
from gan_jax.runtime import machine
from gan_jax.runtime.programs import Memory, memory_of

_SAYS = 'RESOURCE_EXHAUSTED'


def line(config: ConfigDict, compiled: Any, state: Any) -> str:
  """What a compiled step costs, and the run with it.

  Args:
    config: of the run.
    compiled: its `jax.stages.Compiled`.
    state: as it takes it, a row a device.
  """
  device = jax.local_devices()[0]
  found = memory_of(compiled)
  saved = size(costs.tree_bytes(state) // jax.local_device_count())
  if found is None:  # of a backend that does not count it
    return f'forecast  memory unknown; checkpoints of {saved}'
  parts = [
    f'forecast  {size(found.total)} on each device: state and batch {size(found.held)}, a step '
    f'{size(found.temporary)}'
  ]
  parts += _work(config, compiled, device)
  return '; '.join([*parts, f'checkpoints of {saved}'])


def _work(config: ConfigDict, compiled: Any, device: Any) -> list[str]:
  """Operations, bytes and the least time; nothing where the count would leave out rounds of loops.

  Such loops are the CPU's forms of operations, parts of a batch, updates of the discriminator.
  """
  looped = device.platform == 'cpu' or config.train.accumulate > 1 or config.train.d_steps > 1
  analysis = None if looped else compiled.cost_analysis()
  if not analysis:
    return []
  flops, moved = analysis.get('flops', 0), analysis.get('bytes accessed', 0)
  told = [f'{flops / 1e9:,.4g} GFLOP and {size(moved)} moved a step']
  chip = chips.of_kind(device.device_kind)
  if chip is not None:
    least = max(flops / chip.flops, moved / chip.bandwidth)
    steps = -(-config.train.images // build.images_per_step(config))
    told.append(f'at least {duration(least)} a step, {duration(least * steps)} in all')
  return told


def out_of_memory(
  error: BaseException, config: ConfigDict, parts: build.Networks, compiled: Any, state: Any
) -> str | None:
  """What to say where a step finds no memory; None for errors of anything else.

  Args:
    error: that was raised.
    config: of the run.
    parts: its networks.
    compiled: its step, or None where that did not compile.
    state: as the step takes it, a row a device.
  """
  if _SAYS not in str(error):
    return None
  found = memory_of(compiled) if compiled is not None else None
  if found is None:
    asked = costs.needed_bytes(str(error))
    held = costs.tree_bytes(state) // jax.local_device_count()
    found = None if asked is None else Memory(held, held, held, asked)
  if found is None:
    return f'out of memory, {_words(error)}; {_advice(config, parts, None)}'
  limit = _limit(found)
  there = '' if limit is None else f', and {size(limit)} are there'
  size_now = f'{config.train.batch_size:,} images'
  return (
    f'out of memory: a step of {size_now} takes {size(found.total)} on each device{there}; '
    f'{_advice(config, parts, _fitting(config, found, limit))}'
  )


def out_of_memory_beside(error: BaseException, config: ConfigDict) -> str | None:
  """The same where it was not a step, but first weights, or images drawn or scored."""
  if _SAYS not in str(error):
    return None
  return (
    f'out of memory beside the steps, {_words(error)}; lower config.evaluate.batch_size='
    f'{config.evaluate.batch_size}, the images that are drawn or scored at once'
  )


def _limit(found: Memory) -> int | None:
  """Memory that a step may have on each device, while none is run."""
  device = jax.local_devices()[0]
  if device.platform == 'cpu':
    return found.held + machine.free_bytes() // jax.local_device_count()
  told = device.memory_stats() or {}
  if 'bytes_limit' in told:
    return int(told['bytes_limit'])
  chip = chips.of_kind(device.device_kind)
  return chip.memory if chip else None


def _fitting(config: ConfigDict, found: Memory, limit: int | None) -> int | None:
  """The largest batch below the config's that would fit, activations growing evenly with it."""
  if limit is None:
    return None
  devices = jax.device_count()
  size = int(config.train.batch_size * (limit - found.held) / max(found.temporary, 1))
  fitting = min(size, config.train.batch_size - 1) // devices * devices
  return fitting if fitting > 0 else 0


def _advice(config: ConfigDict, parts: build.Networks, fitting: int | None) -> str:
  """What would have fitted, or what to try."""
  if fitting:
    told = [f'about {fitting:,} images would fit (--config.train.batch_size={fitting})']
  elif fitting == 0:
    told = ['no batch fits: choose a smaller network or devices with more memory']
  else:
    told = ['lower config.train.batch_size']
  times = 2 if not fitting else max(2, -(-config.train.batch_size // fitting))
  if fitting != 0 and (count := _accumulated(config, parts, times)):
    told.append(f'the same batch in parts by --config.train.accumulate={count}')
  return ', or '.join(told) + '; `launch.py forecast` tells what else'


def _accumulated(config: ConfigDict, parts: build.Networks, times: int) -> int | None:
  """Parts of the batch, so many at least, that the config can have; None: it can have none."""
  share = config.train.batch_size // jax.device_count()
  for count in range(times * config.train.accumulate, share + 1):
    if share % count:
      continue
    changed = config.copy_and_resolve_references()
    changed.train.accumulate = count
    try:
      build.recipe(changed, parts)
    except UserError:
      return None
    return count
  return None


def _words(error: BaseException) -> str:
  """The first sentence of what a device said."""
  said = ' '.join(str(error).split())
  return re.split(r'(?<=[a-z0-9])\. ', said.partition(f'{_SAYS}: ')[2])[0].rstrip('.')[:160]
