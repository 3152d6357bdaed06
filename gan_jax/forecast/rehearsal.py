"""A run on CPUs tried out: its first steps, its logs, a grid and a checkpoint, in another process.

What a process takes is more than its arrays: code, what compiling leaves behind, what two steps on
their way and the reading of their metrics hold at once, copies on their way to disk. None of it can
be read off a program, so the training loop itself is run for some steps and the process is looked
at. Where the machine has not the memory for them, what the compiler says is added up instead; where
the images are not there, steps alone are run, on noise.
"""

import concurrent.futures
import importlib
import math
import multiprocessing
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import NotDoneError, UserError
from gan_jax.forecast import costs
from gan_jax.forecast.costs import Cost, Images
from gan_jax.runtime import cache, machine, parallel
from gan_jax.runtime.programs import memory_of
from gan_jax.sampling import grid
from gan_jax.sampling.sampler import Sampler
from gan_jax.workdir.checkpoint import Checkpointer

# What else a run loads: its code is part of what it takes.
_OF_A_RUN = (
  'evaluation.keeper',
  'monitoring.log',
  'workdir.record',
  'workdir.trackers',
  'progress',
)
_SECONDS, _STEPS = 3.0, 20  # of timed steps: as long, and no more than so many
_LEAST, _LOGS = 6, 3  # steps and logs of the loop: the first log comes while a step is on its way
_NEVER = 10**9  # images


class Rehearsal(NamedTuple):
  """What was found.

  Attributes:
    cost: of a step on one of the devices, by the compiler.
    process_bytes: the most memory that the process of a run had.
    compiling_bytes: the same of the process that compiled the step; None where it had been before.
    step_seconds: median of a step; None where none was run.
    compile_seconds: to trace and compile it; None where it had been compiled before.
    checkpoint_bytes: of one checkpoint on disk; None where none was written.
    on_noise: whether the run's own images were not there.
  """

  cost: Cost
  process_bytes: int
  compiling_bytes: int | None
  step_seconds: float | None
  compile_seconds: float | None
  checkpoint_bytes: int | None
  on_noise: bool = False


def rehearse(config: ConfigDict, images: Images, devices: int, run: bool = True) -> Rehearsal:
  """Tries a run out on simulated devices of this machine's CPU.

  In two processes: steps by themselves first, which compile what was not compiled before and take
  more memory for it than a run after them, which loads what they kept; then such a run.

  Args:
    config: of the run.
    images: of the run.
    devices: how many.
    run: some steps, where there is memory for them; otherwise they are compiled alone.

  Raises:
    UserError: for what the config cannot give.
    NotDoneError: where the process was killed.
  """
  first: Rehearsal = _in_a_process(devices, _rehearse, config, images, run)
  if first.step_seconds is None:
    return first
  compiled = None if first.compile_seconds is None else first.process_bytes
  if first.on_noise:
    if compiled is None:
      return first
    again: Rehearsal = _in_a_process(devices, _rehearse, config, images, run)
    process, written = again.process_bytes, again.checkpoint_bytes
  else:
    steps = min(_STEPS, max(_LEAST, math.ceil(_SECONDS / first.step_seconds)))
    process, written = _in_a_process(devices, _train, config, steps)
  return first._replace(process_bytes=process, compiling_bytes=compiled, checkpoint_bytes=written)


def _in_a_process(devices: int, function: Callable[..., Any], *arguments: Any) -> Any:
  """The number of devices is set when a process starts, as is what its peak counts from."""
  own = {'JAX_PLATFORMS': 'cpu', 'JAX_NUM_CPU_DEVICES': str(devices)}
  before = {name: os.environ.get(name) for name in own}
  os.environ |= own
  spawn = multiprocessing.get_context('spawn')
  try:
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
      return pool.submit(function, *arguments).result()
  except concurrent.futures.process.BrokenProcessPool as error:
    raise NotDoneError(
      'the process that tried the run out was killed, as where memory is short; forecast a smaller '
      'config.train.batch_size'
    ) from error
  finally:
    for name, value in before.items():
      os.environ.pop(name) if value is None else os.environ.update({name: value})


def _rehearse(config: ConfigDict, images: Images, run: bool) -> Rehearsal:
  """As `gan_jax.train` begins, but that nothing is recorded or logged; no evaluations."""
  cache.enable_compilation_cache()
  for name in _OF_A_RUN:
    importlib.import_module(f'gan_jax.{name}')
  datasets = _datasets(config)
  parts = build.networks(config, images.channels, images.num_classes)
  first = build.initial_program(config, parts)(jax.random.key(config.seed))
  state = parallel.replicate(first)
  batches = _batches(config, images, datasets)
  batch = next(batches)
  dtype = np.dtype(np.uint16 if images.value_bytes == 2 else np.uint8)
  sampler = Sampler(parts.generator, config.evaluate.batch_size, dtype)
  _sample(config, sampler, state, images.num_classes)
  start = time.perf_counter()
  if datasets is None:
    program, diagnosis = build.step_program(config, parts), None
  else:
    fitted = build.within_budget(config, parts, datasets.train)
    (program, diagnosis), config = fitted.programs, fitted.config
  compiled = program.compiled(state, batch)
  compile_seconds = None if program.loaded else time.perf_counter() - start
  step = costs.step_of(config, images, jax.device_count())
  memory = memory_of(compiled)
  assert memory is not None  # of a CPU
  needed = memory.temporary * jax.device_count()
  if not run or needed > machine.free_bytes():
    process = max(machine.resident_bytes() + needed, machine.peak_bytes())
    return Rehearsal(_cost(step, compiled), process, None, None, compile_seconds, None)
  times: list[float] = []
  while not _enough(times):
    start = time.perf_counter()
    batch = next(batches)
    state, metrics = compiled(state, batch)
    jax.block_until_ready((state, metrics))
    times.append(time.perf_counter() - start)
  if datasets is not None and diagnosis is not None and config.train.diagnose:
    held_out = parallel.shard(build.held_out_batch(config, datasets.holdout, 0))
    jax.block_until_ready(diagnosis(state, batch, held_out))
  written = _save(config, state)
  process = machine.peak_bytes()  # before the step is traced for its cost, which a run does not do
  seconds = statistics.median(times[1:])  # the first one touches its memory for the first time
  cost, on_noise = _cost(step, compiled), datasets is None
  return Rehearsal(cost, process, None, seconds, compile_seconds, written, on_noise)


def _enough(times: list[float]) -> bool:
  """Whether the median of steps that took so long, the first left out, can be told."""
  return len(times) >= 3 and (sum(times[1:]) >= _SECONDS or len(times) >= _STEPS)


def _train(config: ConfigDict, steps: int) -> tuple[int, int]:
  """Trains some steps as a run does; the most memory that it took, and a checkpoint's bytes."""
  made = config.copy_and_resolve_references()
  shown = build.images_per_step(made)
  made.train.images, made.train.seconds = steps * shown, None
  made.train.log_images = steps // _LOGS * shown
  made.train.sample_images = made.train.checkpoint_images = _NEVER  # but at the end
  made.evaluate.images = 0
  quiet = os.open(os.devnull, os.O_WRONLY)
  for stream in (1, 2):  # what a run says is of no use here
    os.dup2(quiet, stream)
  with tempfile.TemporaryDirectory(prefix='gan_jax-forecast-') as folder:
    # By name, as a command starts it: the loop stands above what it imports of here.
    importlib.import_module('gan_jax.train').train(made, folder)
    return machine.peak_bytes(), _bytes_of(os.path.join(folder, 'checkpoints'))


def _bytes_of(folder: str) -> int:
  return sum(path.stat().st_size for path in pathlib.Path(folder).rglob('*') if path.is_file())


def _datasets(config: ConfigDict) -> build.Datasets | None:
  """As a run holds them; None where they are not there."""
  try:
    return build.datasets(config)
  except UserError:
    return None


def _batches(config: ConfigDict, images: Images, datasets: build.Datasets | None) -> Iterator[Any]:
  """Batches as a step takes them: the run's, or noise where its data are not there."""
  if datasets is not None:
    yield from map(parallel.shard, build.batches(config, datasets.train, 0))
  count = jax.device_count()
  step = costs.step_of(config, images, count)
  shape = step.batch['image'].shape
  size = (shape[0] * count, *shape[1:])
  noise = np.random.default_rng(config.seed).integers(0, 256, size)
  labels = np.arange(size[0], dtype=np.int32) % max(1, images.num_classes)
  while True:
    yield parallel.shard({'image': noise.astype(step.batch['image'].dtype), 'label': labels})


def _sample(config: ConfigDict, sampler: Sampler, state: Any, num_classes: int) -> None:
  classes = num_classes if config.model.conditional else 0
  labels = grid.grid_labels(classes, config.sample.rows, config.sample.columns)
  drawn = np.concatenate(list(sampler.draw(parallel.to_host(state.ema), labels, config.seed)))
  with tempfile.TemporaryDirectory(prefix='gan_jax-forecast-') as folder:
    picture = grid.grid(drawn, config.sample.columns)
    grid.save_image(os.path.join(folder, 'samples.png'), picture)


def _cost(step: costs.Step, compiled: Any) -> Cost:
  """As the CPU's compiler tells it; operations are those of the plain program."""
  # Its own count would leave out rounds of loops that only the CPU's forms have.
  return costs.of_compiled(step, compiled)._replace(flops=costs.work(step).flops)


def _save(config: ConfigDict, state: Any) -> int:
  """Writes and reads back a checkpoint, as the first of a run is; returns its bytes on disk."""
  with tempfile.TemporaryDirectory(prefix='gan_jax-forecast-') as folder:
    checkpoints = Checkpointer(folder, config.checkpoint.keep_last)
    try:
      checkpoints.save(1, parallel.to_host(state))
      checkpoints.wait()
    finally:
      checkpoints.close()
    return _bytes_of(folder)
