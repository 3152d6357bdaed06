"""Opens a run and trains it to its end, or goes on with one."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import build, registry
from gan_jax.errors import NonFiniteError
from gan_jax.evaluation import evaluator
from gan_jax.forecast import short
from gan_jax.loop import Run, memory_told
from gan_jax.runtime import cache, hosts
from gan_jax.runtime.preemption import StopSignal
from gan_jax.workdir import record, trackers


def train(
  config: ConfigDict,
  workdir: str,
  allow_config_changes: bool = False,
  track: Sequence[str] = (),
) -> dict[str, Any]:
  """Trains a run to its end, or goes on with the one that the workdir holds.

  Args:
    config: of the run, all keys of `configs/default.py`.
    workdir: folder of the run's record, made if it is not there.
    allow_config_changes: continue a run that began with other values.
    track: trackers that it is shown to, `wandb` and `trackio`, beside TensorBoard.

  Returns:
    The final scores, and `untrained_` ones of the generator before training.

  Raises:
    UserError: for what the config, data or workdir cannot give; nothing saved is touched.
    NonFiniteError: when a loss or gradient was not finite, more often than `train.rollbacks`; the
      last checkpoint is from before.
    NotDoneError: where a device has not the memory; says what would have fitted.
    Preempted: after SIGTERM or SIGINT, when the state is saved.
  """
  cache.enable_compilation_cache()
  build.check(config)
  trackers.check(track)
  with contextlib.ExitStack() as held:
    held.enter_context(memory_told(lambda error: short.out_of_memory_beside(error, config)))
    stop = held.enter_context(StopSignal())
    take = lambda: held.enter_context(record.claim(workdir, config, allow_config_changes))

    def opened() -> Run:
      with stop.at_once('stopped before training; the same command goes on'):
        hosts.on_first(take)
        return _opened(config, workdir, allow_config_changes, stop)

    run = hosts.together(opened)
    while True:
      try:
        run.open_record(track)
        run.loop()
        return run.summary()
      except NonFiniteError as error:
        run.go_back_or_stop(error)
      finally:
        run.close()
      run = hosts.together(run.again)


def _opened(config: ConfigDict, workdir: str, allow_config_changes: bool, stop: StopSignal) -> Run:
  """Opens all that a run needs; whatever can refuse does so here, before anything is written."""
  datasets = hosts.in_turn(lambda: build.datasets(config))
  first = datasets.train
  parts = build.networks(config, first.shape[-1], first.num_classes)
  initial = build.initial_program(config, parts)
  initial.compiled(jax.random.key(config.seed))  # says where a network cannot make these images
  build.batches(config, first, 0)
  if config.evaluate.images:
    evaluator.check(build.asked_of(config), *datasets)
  kept = lambda: record.read_circumstances(workdir).get('memory')
  fitted = build.within_budget(config, parts, first, hosts.on_first(kept))
  begins = hosts.on_first(lambda: not os.path.isdir(os.path.join(workdir, 'checkpoints')))
  if config.init.workdir and begins:
    # Says what does not fit before anything is written.
    build.start_from(config, initial(jax.random.key(config.seed)), first)
  about = build.describe(config, datasets)
  if not allow_config_changes:
    otherwise = 'name another workdir, or continue on these by --allow_config_changes'
    hosts.on_first(lambda: record.check_dataset(workdir, about, otherwise))
  run = Run(config, workdir, datasets, parts, initial, fitted, stop)
  # All that can refuse has had its say: from here on the workdir is this config's.
  hosts.on_first(lambda: _keep_beginning(config, workdir, about, run.began_at, fitted.chosen))
  return run


def _keep_beginning(
  config: ConfigDict,
  workdir: str,
  data: dict[str, Any],
  begins_at: tuple[int, int],
  memory: dict[str, Any] | None,
) -> None:
  """Records the config and what makes this start."""
  record.keep_config(workdir, config)
  own = registry.own_files(config.to_dict())
  record.keep_circumstances(workdir, config, data, *begins_at, own, build.teacher_digests(config))
  if memory is not None:
    record.keep_memory(workdir, memory)
