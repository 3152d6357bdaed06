"""What a plan will take, from a measured step of each distinct program and the size of a state."""

import hashlib
import json
import os
import pathlib
import platform
import subprocess
import tempfile
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.ablation.plan import Plan, PlannedRun
from gan_jax.ablation.root import Root
from gan_jax.errors import UserError
from gan_jax.runtime import child
from gan_jax.workdir import files, record

_STEPS = 3  # timed ones
_ASIDE_BYTES = 2_000_000  # of a run's pictures and records
# What is no part of a step, and the seed.
_NOT_OF_A_STEP = ('seed', 'evaluate', 'sample', 'checkpoint', 'init')
_NOT_OF_A_STEP_IN_TRAIN = ('images', 'seconds', 'log_images', 'sample_images', 'checkpoint_images')


class Estimate(NamedTuple):
  """What the runs of a plan take that are not finished yet.

  Attributes:
    seconds: of steps, one run after the other; scores and compiling come on top.
    disk_bytes: of all runs of the plan.
    images_per_second: of each distinct program, by the variant that has it first.
  """

  seconds: float
  disk_bytes: float
  images_per_second: dict[str, float]


def measured(plan: Plan, root: Root, left: set[str]) -> Estimate:
  """Measures what is not measured yet on this machine, and adds up.

  Args:
    plan: the runs.
    root: folder of the ablation, made.
    left: keys of the runs that are not finished.

  Raises:
    UserError: where a step cannot be measured.
  """
  speeds = files.read_json(root.steps) if os.path.exists(root.steps) else {}
  shown: dict[str, float] = {}
  sizes: dict[str, float] = {}
  seconds = disk = 0.0
  for key, run in plan.distinct.items():
    program = _program(run.config)
    if program not in sizes:
      sizes[program] = disk_bytes(run.config)
    if program not in speeds and key in left:
      speeds[program] = _measure(run, root)
      files.write_json(root.steps, speeds)
    if program in speeds and speeds[program] not in shown.values():
      shown[run.variant] = speeds[program]
    disk += sizes[program]
    if key in left:
      train = run.config.train
      seconds += train.seconds or train.images / speeds[program]
  return Estimate(seconds, disk, shown)


def disk_bytes(config: ConfigDict) -> float:
  """What a run leaves on disk: its checkpoints, one more in the making, pictures and records."""
  own = ConfigDict(config.to_dict())
  own.dataset.memory_budget_mb = 0  # for the shape of its images alone
  first = build.datasets(own).train
  parts = build.networks(config, first.shape[-1], first.num_classes)
  state = jax.tree.leaves(build.shapes(config, parts))
  size = sum(
    int(np.prod(x.shape)) * x.dtype.itemsize for x in state if hasattr(x.dtype, 'itemsize')
  )
  kept = config.checkpoint.keep_last + config.checkpoint.keep_best + 1
  return kept * size + _ASIDE_BYTES


def _program(config: ConfigDict) -> str:
  """What the speed of a step depends on, and the machine."""
  content = record.as_json(config)
  for name in _NOT_OF_A_STEP:
    content.pop(name)
  for name in _NOT_OF_A_STEP_IN_TRAIN:
    content['train'].pop(name)
  machine = [platform.node(), os.environ.get('JAX_PLATFORMS'), sorted(_cores())]
  text = json.dumps([content, machine], sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cores() -> set[int]:
  return os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else set()


def _measure(run: PlannedRun, root: Root) -> float:
  """Images a second of a run's step, measured by `launch.py bench` in a process of its own."""
  root.keep_config(run.key, run.config)
  recorded = child.recorded(root.config(run.key))
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'step.json'
    words = ('bench', recorded, '--parts=step', f'--steps={_STEPS}', f'--json={path}')
    found = subprocess.run(
      child.command(os.getpid(), [], *words),
      env=child.environment(),
      capture_output=True,
      text=True,
      check=False,
    )
    if found.returncode:
      raise UserError(f'variant {run.variant!r}: {child.last_line(found.stderr)}')
    return files.read_json(str(path))['images_per_second']
