"""What one step of a config costs on one device of a target, by its compiled program."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.forecast import targets
from gan_jax.forecast.targets import Target
from gan_jax.ops import counting, linear
from gan_jax.runtime import parallel
from gan_jax.runtime.programs import Memory, memory_of
from gan_jax.runtime.tree import PyTree
from gan_jax.training.state import TrainState

_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
# LLVM's work is for speed alone, and nothing of this is run.
_UNRUN = {'xla_backend_optimization_level': '0'}


class Images(NamedTuple):
  """The images of a run: channels, classes of the dataset, bytes of a value (1 or 2)."""

  channels: int
  num_classes: int = 0
  value_bytes: int = 1


class Cost(NamedTuple):
  """A step on one device.

  Attributes:
    held: bytes of the parts of what it takes: weights, optimisers, average, other, batch.
    memory: as the compiler counts it; temporary are activations, gradients and what else lives
      within the step alone.
    code_bytes: of the program.
    flops: floating-point operations.
    bytes_accessed: moved to and from memory; None where nothing tells.
    estimated: whether this is of another program than the one that a run compiles.
  """

  held: dict[str, int]
  memory: Memory
  code_bytes: int
  flops: float
  bytes_accessed: float | None
  estimated: bool = False


class Step(NamedTuple):
  """A step before it is compiled.

  Attributes:
    function: of one device, under the axis of devices.
    state: its shapes.
    batch: shapes of one device's share.
  """

  function: Callable[..., Any]
  state: TrainState
  batch: PyTree


def step_of(config: ConfigDict, images: Images, devices: int) -> Step:
  """The train step of a config as one of so many devices has it; allocates nothing."""
  parts = build.networks(config, images.channels, images.num_classes)
  made = build.recipe(config, parts, devices=devices)
  share = made.examples_per_step // devices
  kind = jnp.uint16 if images.value_bytes == 2 else jnp.uint8
  height, width = build.image_size(config)
  batch = build.batch_shapes(share, (height, width, images.channels), kind)
  probabilities = _probabilities(config, images)
  function = build.train_step(config, parts, probabilities, devices)
  return Step(function, build.shapes(config, parts, devices), batch)


def _probabilities(config: ConfigDict, images: Images) -> tuple[float, ...] | None:
  """Of the classes of fakes: their values change no cost, and need the dataset's labels."""
  if not config.model.conditional or config.labels.fakes == 'reals':
    return None
  return (1 / images.num_classes,) * images.num_classes


def of_step(step: Step, target: Target, effort: float = 0.0) -> Cost:
  """Compiles a step for a target and asks the compiler what it costs.

  Of a TPU the program is the run's own. Of a GPU it is the plain form of the step, compiled for
  this machine's CPU: no compiler for a GPU that is not there is at hand.

  Args:
    step: to be compiled.
    target: a GPU or TPU, or several.
    effort: of the compiler for a TPU, -1 to 1; 0: as a run has it.

  Raises:
    UserError: for a topology that there is none of.
  """
  if target.platform == 'tpu':
    with _effort(effort):
      return _of_tpu(step, target)
  cpu = jax.devices('cpu')[:1]
  options = parallel.compiler_options('cpu') | _UNRUN
  with linear.plain_forms():
    lowered = _mapped(step, 1, cpu)
    compiled = lowered.compile(compiler_options=options)
  return of_compiled(step, compiled, estimated=True)


@contextlib.contextmanager
def _effort(effort: float) -> Iterator[None]:
  """The compiler tries so hard while this context lasts, to save time and to save memory."""
  names = 'jax_exec_time_optimization_effort', 'jax_memory_fitting_effort'
  before = {name: jax.config.values[name] for name in names}
  for name in names:
    jax.config.update(name, effort)
  try:
    yield
  finally:
    for name, value in before.items():
      jax.config.update(name, value)


def _mapped(step: Step, count: int, devices: Any) -> Any:
  """The step lowered over devices."""
  shapes = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype), (step.state, step.batch)
  )
  mapped: Any = parallel.pmap_step(step.function, devices)
  return mapped.lower(*shapes)


def _of_tpu(step: Step, target: Target) -> Cost:
  lowered = _mapped(step, target.devices, targets.tpu_devices(target))
  try:
    compiled = lowered.compile(compiler_options=parallel.compiler_options('tpu'))
  except jax.errors.JaxRuntimeError as error:
    needed = needed_bytes(str(error))
    if needed is None:
      raise
    return _not_fitting(step, needed)
  return of_compiled(step, compiled)


def _not_fitting(step: Step, temporary: int) -> Cost:
  """Of a program that the compiler refuses for the memory that it says it needs."""
  held = held_by(step.state, step.batch)
  total = sum(held.values())
  state = total - held['batch']
  memory = Memory(total, state, state, temporary)
  return Cost(held, memory, 0, work(step).flops, None)


def needed_bytes(message: str) -> int | None:
  """The temporaries of a program that a compiler refused for lack of memory; None: other errors.

  libtpu says `HLO temporaries (18.20G) exceeds available HBM (15.75G)`, or `Used 18.20G of 15.75G
  hbm`, which counts arguments as well.
  """
  if 'RESOURCE_EXHAUSTED' not in message:
    return None
  found = re.search(r'HLO temporaries \(([\d.]+)([KMGT]?)\)', message) or re.search(
    r'Used ([\d.]+)([KMGT]?) of', message
  )
  return int(float(found[1]) * _UNITS[found[2]]) if found else None


def of_compiled(step: Step, compiled: Any, estimated: bool = False) -> Cost:
  """What a compiled step says of itself, loops in full.

  Args:
    step: that was compiled.
    compiled: of `jax.stages.Compiled`.
    estimated: whether it stands for another program.
  """
  memory, analysis = memory_of(compiled), compiled.cost_analysis() or {}
  assert memory is not None  # of a CPU or a TPU
  found = work(step)
  counted = analysis.get('flops', 0) * found.rounds
  moved = analysis.get('bytes accessed', 0) * found.rounds
  return Cost(
    held_by(step.state, step.batch),
    memory,
    compiled.memory_analysis().generated_code_size_in_bytes,
    counted if counted > 0 else found.flops,
    moved if moved > 0 else None,
    estimated,
  )


def held_by(state: TrainState, batch: PyTree) -> dict[str, int]:
  """Bytes of the parts of a state and of a batch, on each device."""
  players = state.generator, state.discriminator
  parts = {
    'weights': [player.params for player in players],
    'optimisers': [player.opt_state for player in players],
    'average': state.ema,
    'batch': batch,
  }
  sizes = {name: tree_bytes(tree) for name, tree in parts.items()}
  sizes['other'] = tree_bytes((state, batch)) - sum(sizes.values())
  return sizes


def tree_bytes(tree: PyTree) -> int:
  """Bytes of arrays or of their shapes."""
  return sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree))


class Work(NamedTuple):
  """Products and convolutions of a step.

  Attributes:
    flops: of all of them, loops in full.
    rounds: how many times the work is that XLA's analysis sees, which counts one round of a loop.
  """

  flops: float
  rounds: float


def work(step: Step) -> Work:
  """Counts a step's products and convolutions by their shapes."""
  trace = jax.make_jaxpr(step.function, axis_env=[(parallel.AXIS, 1)])
  jaxpr = trace(step.state, step.batch)
  count = sum(counting.multiply_adds(jaxpr).values())
  once = sum(counting.multiply_adds(jaxpr, once=True).values())
  return Work(2.0 * count, count / once if once else 1.0)
