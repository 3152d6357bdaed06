"""The only module that maps over devices: pmap, the axis that steps average over, hosts."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.jax_utils
import jax
import numpy as np

from gan_jax.errors import UserError
from gan_jax.runtime import preemption
from gan_jax.runtime.tree import PyTree

AXIS = 'devices'

_IMAGE_BYTES = 2**28  # of layers of the size of a batch of images on one device, as floats
_CPU_BYTES = 2**31  # that all CPU devices take for a batch beside what goes in and comes out
_SHARE = 4  # the part of its memory that another device takes for it


def replicate(tree: PyTree) -> PyTree:
  """Puts a copy on every local device; leaves gain a leading axis."""
  # From host memory: stacking device arrays would compile a program for every shape of leaf.
  return flax.jax_utils.replicate(jax.device_get(tree), axis_name=AXIS)


def to_host(tree: PyTree) -> PyTree:
  """Fetches the first local device's copy of a replicated tree as NumPy arrays."""
  # Not x[0]: indexing a replicated array can raise where it spans several hosts.
  return jax.tree.map(lambda x: jax.device_get(x.addressable_shards[0].data)[0], tree)


def pmap_step(
  step: Callable[[Any, Any], Any], devices: Sequence[Any] | None = None
) -> Callable[[Any, Any], Any]:
  """Compiles `step(state, batch)` for some devices; the state's buffers are donated.

  Args:
    step: of one device.
    devices: which, also of a topology that is not there; None: all that there are.
  """
  return jax.pmap(step, axis_name=AXIS, in_axes=0, out_axes=0, donate_argnums=0, devices=devices)


def pmap_read(function: Callable[..., Any]) -> Callable[..., Any]:
  """Compiles a function of replicated or sharded arguments, which stay as they are."""
  return jax.pmap(function, axis_name=AXIS, in_axes=0, out_axes=0)


def compiler_options(platform: str | None = None) -> dict[str, str]:
  """What XLA is told beyond its defaults, for `lower(...).compile(compiler_options=...)`.

  Args:
    platform: that is compiled for, such as `tpu`; None: that of this machine's devices.
  """
  if (platform or jax.devices()[0].platform) != 'cpu':
    return {}
  options = {
    # XLA would hand convolutions and matrix products to the library YNNPACK, up to three times
    # slower at the shapes of networks than its own way (two cores, jax 0.10.2 and 0.12).
    'xla_cpu_experimental_ynn_fusion_type': '',
    # LLVM at its third level takes a quarter longer over a step that then runs no faster, and three
    # times as long over drawing the first weights.
    'xla_backend_optimization_level': '1',
    # In the order that needs the least memory, a fifth to a third less of it for a step: on a few
    # cores the order of most concurrency is no faster, and the first use of memory takes time.
    'xla_cpu_scheduler_type': 'CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED',
  }
  # Who asks JAX to compile fast, as the tests do, is not given a level above that.
  if jax.config.read('jax_disable_most_optimizations'):
    del options['xla_backend_optimization_level']
  return options


def compile_for(function: Any, *arguments: Any, platform: str | None = None) -> Any:
  """Compiles the result of `jax.jit` or `jax.pmap` for arguments of these shapes.

  Args:
    function: to be compiled.
    *arguments: arrays or shapes.
    platform: of the devices that it is mapped over, where they are not this machine's own.
  """
  lowered = function.lower(*arguments)
  options = compiler_options(platform)
  return preemption.interruptible(lambda: lowered.compile(compiler_options=options))


def ask_all(question: bool) -> Callable[[], bool]:
  """Asks whether any host says yes; the answer, the same on all, comes when it is called for.

  Until then no device is waited for, so that it can be asked beside a step.
  """
  if jax.process_count() == 1:
    return lambda: question
  said = shard(np.full(jax.local_device_count(), question, np.int32))
  heard = _sum_over_devices()(across_hosts(said))
  return lambda: bool(to_host(heard))


@functools.cache
def _sum_over_devices() -> Callable[[Any], Any]:
  return jax.pmap(lambda x: jax.lax.psum(x, AXIS), axis_name=AXIS)


def check_batch(batch_size: int, name: str) -> None:
  """Raises UserError where the devices do not divide a batch."""
  devices = jax.device_count()
  if batch_size < 1 or batch_size % devices:
    raise UserError(f'{name}={batch_size}: must be a positive multiple of the {devices} devices')


def shard(tree: PyTree) -> PyTree:
  """Splits arrays `[local batch, ...]` over the devices, `[local devices, per device, ...]`."""
  devices = jax.local_devices()
  mesh = jax.sharding.Mesh(np.array(devices), (AXIS,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))
  split = lambda x: jax.device_put(x.reshape(len(devices), -1, *x.shape[1:]), sharding)
  return jax.tree.map(split, tree)


def across_hosts(tree: PyTree) -> PyTree:
  """Makes one array over all devices of what each host has on its own, as steps take them.

  Args:
    tree: arrays `[local devices, ...]` of `replicate` or `shard`.
  """
  if jax.process_count() == 1:
    return tree
  mesh = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))

  def joined(x: jax.Array) -> jax.Array:
    parts = [shard.data for shard in x.addressable_shards]
    shape = (jax.device_count(), *x.shape[1:])
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)

  return jax.tree.map(joined, tree)


def shapes_of(tree: PyTree, sharded: bool = False) -> PyTree:
  """Shapes on all devices, with their placement, for a program to be compiled before there is data.

  Args:
    tree: arrays or shapes: of a state as `replicate` takes it, or of all devices' batch.
    sharded: it is a batch, split as by `shard`.
  """
  # Of a scalar the same way: arrays lie alike, whatever their shapes.
  like = across_hosts(shard(np.zeros(jax.local_device_count(), np.int32))) if sharded else None
  like = across_hosts(replicate(np.zeros((), np.int32))) if like is None else like
  count = jax.device_count()

  def shape(x: Any) -> jax.ShapeDtypeStruct:
    own = (x.shape[0] // count, *x.shape[1:]) if sharded else x.shape
    return jax.ShapeDtypeStruct((count, *own), x.dtype, sharding=like.sharding)

  return jax.tree.map(shape, tree)


def images_at_once(batch_size: int, shape: tuple[int, ...], layers: int = 1) -> int:
  """How many images go through a network at once, over all local devices.

  Args:
    batch_size: that is asked for.
    shape: of an image, `(H, W, C)`.
    layers: that a device holds at once of the images' size, the images among them.

  Returns:
    As many as are asked for, or fewer where they are large: of each device 256 MiB as floats, which
    are one layer of 341 images of 256×256 in colour, and of 21 of 1024×1024.
  """
  most = max(1, _IMAGE_BYTES // (4 * math.prod(shape) * layers))
  return min(batch_size, most * jax.local_device_count())


def map_batches(
  function: Callable[..., PyTree], batch_size: int
) -> Callable[..., Iterator[PyTree]]:
  """Runs a pure function over many examples, in batches split over the local devices.

  Args:
    function: `(variables, *arrays [b, ...]) -> tree of [b, ...]`.
    batch_size: examples at once, over all local devices; fewer where the program would take more
      memory beside its examples than 2 GiB of a CPU, or a quarter of another device's.

  Returns:
    `run(replicated variables, *arrays [N, ...])`, which yields results as NumPy arrays batch by
    batch, N rows in all. The last batch is filled up by repetition, so that one program serves all.
  """
  devices = jax.local_device_count()
  size = -(-batch_size // devices) * devices
  # This host's devices alone: hosts may run through different numbers of batches.
  mapped = jax.pmap(function, axis_name=AXIS, devices=jax.local_devices())
  compiled: Any = None

  def run(replicated: PyTree, *arrays: np.ndarray) -> Iterator[PyTree]:
    nonlocal compiled, size
    start, total = 0, len(arrays[0])
    while start < total:
      rows = np.arange(start, start + size).clip(max=total - 1)
      split = shard([array[rows] for array in arrays])
      if compiled is None:
        compiled = compile_for(mapped, replicated, *split)
        if (fewer := _fitting(compiled, size)) < size:
          size, compiled = fewer, None
          continue
      result = compiled(replicated, *split)
      count = min(total - start, size)
      flat = lambda x, count=count: np.asarray(x).reshape(-1, *x.shape[2:])[:count]
      yield jax.tree.map(flat, result)
      start += size

  return run


def _fitting(compiled: Any, size: int) -> int:
  """How many examples at once, of `size` that a program was compiled for, its memory is for."""
  devices = jax.local_devices()
  about = compiled.memory_analysis()
  stats = devices[0].memory_stats() if devices[0].platform != 'cpu' else None
  most = stats['bytes_limit'] // _SHARE if stats else _CPU_BYTES // len(devices)
  if about is None or about.temp_size_in_bytes <= most:
    return size
  fewer = size * most // about.temp_size_in_bytes // len(devices) * len(devices)
  return max(fewer, len(devices))
