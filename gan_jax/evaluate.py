"""Scores runs, and folders that were exported of them, against their own real images."""

import functools
import os
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.evaluation import scores, subject
from gan_jax.evaluation.embedding import Watch
from gan_jax.evaluation.evaluator import Asked, Evaluator
from gan_jax.evaluation.options import Options, check, check_best
from gan_jax.evaluation.result import Evaluation, Found
from gan_jax.evaluation.scores import Scored
from gan_jax.runtime import hosts
from gan_jax.workdir import checkpoint, record


def evaluate_runs(
  workdirs: Sequence[str],
  step: int | None = None,
  every_step: bool = False,
  options: Options = Options(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
) -> Evaluation:
  """Scores checkpoints of runs and adds the scores to their records.

  A folder that `export` wrote is scored like the run that it came from, on the same data, and has
  no record.

  Args:
    workdirs: of the runs, or exported folders.
    step: of the checkpoint; None: the newest of each.
    every_step: score all checkpoints of each.
    options: what is scored with what.
    watch: called between batches with what is done, how many of how many images.

  Raises:
    UserError: for what options, runs or data cannot give.
  """
  check(options)
  configs = hosts.together(lambda: {one: _config(one, every_step) for one in workdirs})
  asked = {workdir: build.asked_of(config, options) for workdir, config in configs.items()}
  sizes = {workdir: one.num_samples for workdir, one in asked.items()}
  scores.check_comparable(sizes, options.allow_different_n)
  for each in asked.values():
    check_best(options.best, each.metrics, each.features, each.resize, each.teachers)
  best_key = options.best or configs[workdirs[0]].checkpoint.best_score
  reals = {workdir: one.num_reals for workdir, one in asked.items()}
  scores.check_comparable(reals, options.allow_different_n, 'num_reals')
  found, data = Found(), {}
  for workdir in workdirs:
    try:
      data[workdir] = _evaluate_run(
        workdir, asked[workdir], step, every_step, options, found, watch
      )
    except UserError as error:
      found.refuse(error)  # the others keep their scores
  if len({str(prints) for prints in data.values()}) > 1:
    found.notes.append(
      'these runs are on different data, and each is compared with its own: '
      + '; '.join(f'{workdir}: {", ".join(prints)}' for workdir, prints in data.items())
    )
  return found.finish(best_key, asked_for=options.best is not None)


def _config(path: str, every_step: bool) -> ConfigDict:
  """The config of a run, or of a folder that was exported of one."""
  brought = build.brought(path)
  if brought is None:
    return record.load_config(path)
  if brought.fingerprints is None:
    raise UserError(
      f'--workdir={path}: does not say which images it was trained on; give real images by '
      '--reference=FOLDER'
    )
  if every_step:
    raise UserError(f'{path}: holds one generator, not checkpoints; leave --all out')
  return brought.config


def _data(
  path: str, run: build.Brought | build.OpenRun, data_dir: str
) -> tuple[build.Datasets, dict[str, Any]]:
  """The data of a generator, which have to be those that it was trained on, and what they are."""
  if isinstance(run, build.OpenRun):
    if data_dir:
      run.config.dataset.data_dir = data_dir
  else:  # a path of another machine, cut to its last part
    run.config.dataset.data_dir = data_dir
  try:
    datasets = hosts.in_turn(lambda: build.datasets(run.config))
    described = build.describe(run.config, datasets)
    if isinstance(run, build.OpenRun):
      hosts.together(lambda: record.check_dataset(path, described, 'bring back those of the run'))
    elif run.fingerprints != described['fingerprints']:
      raise UserError(
        f'{", ".join(described["fingerprints"])}: other images than it was trained on'
      )
  except UserError as error:
    if isinstance(run, build.OpenRun):
      raise
    raise UserError(
      f'--workdir={path}: {error}; or give real images by --reference=FOLDER'
    ) from error
  return datasets, described


def _evaluate_run(
  workdir: str,
  asked: Asked,
  step: int | None,
  every_step: bool,
  options: Options,
  found: Found,
  watch: Watch,
) -> dict[str, str]:
  """Scores checkpoints of one run; returns the fingerprints of its data."""
  run = hosts.together(lambda: build.open_generator(workdir, step))
  datasets, described = _data(workdir, run, options.data_dir)
  recorded = isinstance(run, build.OpenRun) and os.access(workdir, os.W_OK)
  if isinstance(run, build.OpenRun) and not recorded:
    found.notes.append(f'{workdir}: cannot be written; its own record does not get these scores')
  evaluator = Evaluator(asked, *datasets, watch)
  sampler = run.sampler(run.config.evaluate.batch_size)
  assert run.step is not None
  assert run.images is not None  # of what says which data it is of
  steps = [run.step]
  if every_step:
    steps = hosts.on_first(lambda: checkpoint.Checkpointer(workdir, read_only=True).steps())
  for number in steps:
    try:
      if number != run.step:
        run = hosts.together(functools.partial(build.open_run, workdir, number))
    except UserError as error:
      found.refuse(error)
      continue
    one = subject.of_generator(
      f'{workdir} at step {number:,}',
      sampler,
      run.variables,
      evaluator.asked_labels,
      run.config.model.conditional,
    )
    row = Scored(workdir, [], number, run.images, tuple(datasets.train.class_names))
    row = found.add(row, one, evaluator, options.repeats)
    if row.scores and recorded and hosts.is_first():
      try:
        found_here = scores.flat(row.scores) | evaluator.digests()
        record.append_line(workdir, 'evaluate', number, row.images or 0, found_here)
      except OSError as error:
        found.notes.append(f'{workdir}: its record did not get these scores: {error.strerror}')
  found.about[workdir] = {'features': evaluator.describe(), 'dataset': described}
  found.notes += [f'{workdir}: {note}' for note in evaluator.notes]
  return described['fingerprints']
