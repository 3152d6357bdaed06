"""What a config costs on the machine at hand: its step, its input, its feature networks."""

import concurrent.futures
import contextlib
import functools
import json
import logging
import math
import multiprocessing
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from gan_jax import build
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation.embedding import Embedder, open_embedder
from gan_jax.metrics import fd
from gan_jax.runtime import parallel
from gan_jax.workdir import files, record

PARTS = ('step', 'input', 'features', 'devices')
_DEVICE_COUNTS = (1, 2, 4, 8)
_FD_DIMENSIONS = 2048
_BATCHES, _INPUT_SECONDS = 100, 20.0  # of the input: so many batches, or what it makes in so long

Result = dict[str, Any]
_LOG = logging.getLogger(__name__)


def bench(config: ConfigDict, parts: tuple[str, ...], steps: int) -> Result:
  """Measures the parts asked for, each with nothing else going on.

  Args:
    config: of the run.
    parts: of `PARTS`: the train step; the input pipeline alone; the feature networks of
      `evaluate.features` and the Fréchet distance; the step over simulated CPU devices.
    steps: timed steps, and passes of each network; of the input, which takes little, a hundred
      batches, or as many as it makes in 20 s where that is less.

  Returns:
    What was measured, as JSON can hold it, with `circumstances`: machine, versions, revision. Times
    are seconds. `images_per_second` is the train step's median, in images of one player's update.
    What the platform does not tell is left out, with a warning.

  Raises:
    UserError: for what the config or data cannot give.
  """
  for part in parts:
    if part not in PARTS:
      raise UserError(f'--parts={part}: {nearest(part, PARTS)}')
  if not parts:
    raise UserError(f'--parts: nothing to measure; accepted: {", ".join(PARTS)}')
  most = max(_DEVICE_COUNTS)
  if 'devices' in parts and config.train.batch_size % most:
    raise UserError(
      f'config.train.batch_size={config.train.batch_size}: over 1 to {most} simulated devices it '
      f'must be a multiple of {most}'
    )
  if steps < 1:
    raise UserError(f'--steps={steps}: must be positive')
  build.check(config)
  datasets = build.datasets(config)
  networks = build.networks(config, datasets.train.shape[-1], datasets.train.num_classes)
  # What a network lacks is said before anything is measured.
  embedders = _open_embedders(config, datasets) if 'features' in parts else []
  result: Result = {'circumstances': record.circumstances(), 'batch_size': config.train.batch_size}
  if 'step' in parts:
    result |= _step(config, networks, datasets.train, steps)
  if 'input' in parts:
    result |= _input(config, datasets.train, steps)
  if 'features' in parts:
    result['features_images_per_second'] = _features(config, datasets.train, embedders, steps)
    result['frechet_distance_seconds'] = _frechet_distance()
  if 'devices' in parts:
    result['devices'] = {count: _on_devices(config, steps, count) for count in _DEVICE_COUNTS}
  # KiB on Linux, bytes on macOS.
  unit = 1 if sys.platform == 'darwin' else 1024
  result['peak_memory_bytes'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
  return result


def _step(config: ConfigDict, parts: build.Networks, data: ImageDataset, steps: int) -> Result:
  initial = build.initial_program(config, parts)(jax.random.key(config.seed))
  state = parallel.replicate(initial)
  batch = parallel.shard(next(build.batches(config, data, 0)))
  result: Result = {
    f'{player}_parameters': sum(x.size for x in jax.tree.leaves(getattr(initial, player).params))
    for player in ('generator', 'discriminator')
  }
  with _empty_cache():
    start = time.perf_counter()
    compiled = build.step_program(config, parts).compiled(state, batch)
    result['compile_seconds'] = time.perf_counter() - start
    start = time.perf_counter()
    again = build.step_program(config, parts)
    again.compiled(state, batch)
    if again.loaded:
      result['load_compiled_seconds'] = time.perf_counter() - start
  times = []
  for _ in range(steps + 1):
    start = time.perf_counter()
    state, metrics = compiled(state, batch)
    jax.block_until_ready((state, metrics))
    times.append(time.perf_counter() - start)
  images = float(build.images_per_step(config))
  median = statistics.median(times[1:])
  matmul = matmul_flops_per_second()
  result |= {
    'images_per_second': images / median,
    'images_per_second_range': [images / max(times[1:]), images / min(times[1:])],
    'first_step_seconds': times[0],
    'step_temporary_bytes': compiled.memory_analysis().temp_size_in_bytes,
    'matmul_flops_per_second': matmul,
  }
  flops = step_flops(config, parts, state, batch)
  if flops is None:
    _LOG.warning('operations of a step are left out: no CPU here whose analysis counts them')
  else:
    result |= {
      'step_flops': flops,
      'flops_per_second': flops / median,
      'share_of_matmul': flops / median / matmul,
    }
  try:
    result['all_reduced_bytes'] = all_reduced_bytes(compiled)
  except ValueError as error:
    _LOG.warning('bytes all-reduced in a step are left out: %s', error)
  return result


@contextlib.contextmanager
def _empty_cache() -> Iterator[None]:
  """Compiled programs are kept in a folder of their own while this context lasts."""
  before = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
  with tempfile.TemporaryDirectory() as folder:
    jax.config.update('jax_compilation_cache_dir', folder)
    try:
      yield
    finally:
      jax.config.update('jax_compilation_cache_dir', before)


def step_flops(config: ConfigDict, parts: build.Networks, state: Any, batch: Any) -> float | None:
  """Floating-point operations of one step over this host's devices, by XLA's cost analysis.

  Of the plain program, as a GPU gets it: in that of a CPU the analysis would count a loop over
  groups once, and in both that of a CPU and of a TPU what their forms alone do. The CPU's client
  counts it: that of a GPU analyses nothing before it is compiled. None where there is none.
  """
  try:
    cpu = jax.devices('cpu')[0]
  except RuntimeError:  # JAX_PLATFORMS leaves it out
    return None
  shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (state, batch))
  step = jax.vmap(build.train_step(config, parts), axis_name=parallel.AXIS)
  with jax.default_device(cpu):
    lowered = jax.jit(step).trace(*shapes).lower(lowering_platforms=('cuda',))
    analysis = lowered.cost_analysis()
  return None if analysis is None else analysis['flops']


def matmul_flops_per_second() -> float:
  """Speed of the machine's devices at float32 matrix products, at its best of ten."""
  on_cpu = jax.devices()[0].platform == 'cpu'
  size = 1536 if on_cpu else 8192
  a = parallel.shard(np.ones((jax.local_device_count() * size, size), np.float32))
  product = parallel.compile_for(jax.jit(lambda a: a @ a), a)
  best = min(_seconds(lambda: jax.block_until_ready(product(a)), 10))
  return 2 * size**3 * jax.local_device_count() / best


def all_reduced_bytes(compiled: Any) -> int:
  """Bytes that each device hands to all-reduce in one call of a compiled program.

  Raises:
    ValueError: where the program holds another collective, which this would leave out.
  """
  total = 0
  for line in compiled.as_text().splitlines():
    found = re.match(r'\s*(?:ROOT )?\S+ = (.*?) ([a-z-]+)\(', line)
    if not found:
      continue
    shapes, operation = found.groups()
    if operation in ('all-reduce', 'all-reduce-start'):
      total += sum(_bytes(*shape) for shape in re.findall(r'([a-z]+\d*)\[([\d,]*)\]', shapes))
    elif re.match('all-gather|all-to-all|reduce-scatter|collective', operation):
      raise ValueError(f'the program holds a collective that is not all-reduce: {operation}')
  return total


def _bytes(kind: str, shape: str) -> int:
  bits = int(re.sub(r'\D', '', kind) or 8)  # pred: a byte
  return bits // 8 * math.prod(int(n) for n in shape.split(',') if n)


def _input(config: ConfigDict, data: ImageDataset, steps: int) -> Result:
  batches = build.batches(config, data, 0)
  size = len(next(batches)['label'])
  for _ in range(config.dataset.prefetch_batches):  # made ready before the clock started
    next(batches)
  start, cpu_start, count = time.perf_counter(), time.process_time(), 0
  while count < steps or (count < _BATCHES and time.perf_counter() - start < _INPUT_SECONDS):
    next(batches)
    count += 1
  seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
  return {
    'input_images_per_second': count * size / seconds,
    'input_cpu_seconds_per_image': cpu_seconds / (count * size),
    'input_cores_busy': cpu_seconds / seconds,
  }


def _open_embedders(config: ConfigDict, datasets: build.Datasets) -> list[Embedder]:
  section = config.evaluate
  return [
    open_embedder(name, *datasets, section.weights, section.resize, section.batch_size)
    for name in build.features_of(config)
  ]


def _features(
  config: ConfigDict, data: ImageDataset, embedders: list[Embedder], steps: int
) -> dict[str, float]:
  size = parallel.images_at_once(config.evaluate.batch_size, data.shape)
  images = data.fetch(np.arange(size) % len(data))['image']
  speeds = {}
  for embedder in embedders:
    once = functools.partial(_exhaust, embedder, images)
    speeds[embedder.network.name] = size / statistics.median(_seconds(once, steps))
  return speeds


def _exhaust(embedder: Embedder, images: np.ndarray) -> None:
  for _ in embedder(images):
    pass


def _frechet_distance() -> float:
  """Seconds for a distance of two sets of statistics, 2,048 dimensions."""
  rng = np.random.default_rng(0)
  moments = [
    fd.moments(rng.standard_normal((2 * _FD_DIMENSIONS, _FD_DIMENSIONS))) for _ in range(2)
  ]
  start = time.perf_counter()
  fd.frechet_distance(*moments[0], *moments[1])
  return time.perf_counter() - start


def _seconds(function: Callable[[], Any], count: int) -> list[float]:
  """Of each of `count` calls, after one that may compile."""
  times = []
  for _ in range(count + 1):
    start = time.perf_counter()
    function()
    times.append(time.perf_counter() - start)
  return times[1:]


def _on_devices(config: ConfigDict, steps: int, count: int) -> Result:
  """The step over simulated devices, in a process of its own: their number is set at its start."""
  before = {name: os.environ.get(name) for name in ('JAX_PLATFORMS', 'JAX_NUM_CPU_DEVICES')}
  os.environ |= {'JAX_PLATFORMS': 'cpu', 'JAX_NUM_CPU_DEVICES': str(count)}
  spawn = multiprocessing.get_context('spawn')
  try:
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
      result = pool.submit(bench, config, ('step',), steps).result()
  finally:
    for name, value in before.items():
      os.environ.pop(name) if value is None else os.environ.update({name: value})
  return {name: value for name, value in result.items() if name != 'circumstances'}


def check_writable(path: str) -> None:
  """Raises UserError where a result could not be written, before it is measured."""
  files.check_writable(path, '--json')


def write(path: str, result: Result) -> None:
  """Writes the result as JSON."""
  files.write_named(path, '--json', json.dumps(result, indent=2) + '\n')


def show(result: Result) -> None:
  """Prints the result as tables."""
  about = result['circumstances']
  table = Table(title=f'{about["device_kind"]}, jax {about["packages"]["jax"]}', show_header=False)
  rows = [
    ('train step', 'images_per_second', 1, ' images/s'),
    ('its operations', 'step_flops', 1e9, ' GFLOP'),
    ('their speed', 'flops_per_second', 1e9, ' GFLOP/s'),
    ('speed of matrix products', 'matmul_flops_per_second', 1e9, ' GFLOP/s'),
    ('share of that speed', 'share_of_matmul', 0.01, ' %'),
    ('trace and compile', 'compile_seconds', 1, ' s'),
    ('load, compiled before', 'load_compiled_seconds', 1, ' s'),
    ('first step', 'first_step_seconds', 1, ' s'),
    ('memory of a step', 'step_temporary_bytes', 1e6, ' MB'),
    ('all-reduced in a step', 'all_reduced_bytes', 1e6, ' MB'),
    ('weights of the generator', 'generator_parameters', 1e6, ' million'),
    ('weights of the discriminator', 'discriminator_parameters', 1e6, ' million'),
    ('input pipeline', 'input_images_per_second', 1, ' images/s'),
    ('its work on an image', 'input_cpu_seconds_per_image', 1e-3, ' ms of CPU'),
    ('cores that it kept busy', 'input_cores_busy', 1, ''),
    ('Fréchet distance, 2,048 dimensions', 'frechet_distance_seconds', 1, ' s'),
    ('peak memory of this process', 'peak_memory_bytes', 1e6, ' MB'),
  ]
  for text, key, unit, suffix in rows:
    if key in result:
      table.add_row(text, f'{result[key] / unit:,.4g}{suffix}')
  for name, speed in result.get('features_images_per_second', {}).items():
    table.add_row(f'features {name}', f'{speed:,.4g} images/s')
  console = Console()
  console.print(table)
  if 'devices' in result:
    table = Table('devices', 'images/s', 'all-reduced', title='Simulated CPU devices')
    for count, one in result['devices'].items():
      reduced = f'{one["all_reduced_bytes"] / 1e6:,.4g} MB'
      table.add_row(str(count), f'{one["images_per_second"]:,.4g}', reduced)
    console.print(table)
