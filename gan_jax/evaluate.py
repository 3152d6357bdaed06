"""Scores runs and folders of images against real images."""

import functools
import os
from collections.abc import Sequence

import numpy as np

from gan_jax import build
from gan_jax.data import folder
from gan_jax.data.folder import FolderImages
from gan_jax.errors import UserError
from gan_jax.evaluation import scores, subject
from gan_jax.evaluation.embedding import Watch
from gan_jax.evaluation.evaluator import Asked, Evaluator
from gan_jax.evaluation.options import Options, check, check_best, every_metric, strict
from gan_jax.evaluation.result import Evaluation, Found
from gan_jax.evaluation.scores import Scored
from gan_jax.runtime import cache, hosts
from gan_jax.workdir import checkpoint, record

# Of folders, where the user names none: what needs neither classes nor files of weights.
FOLDER_FEATURES = ('efficientnet_lite0',)
FOLDER_METRICS = ('fd', 'fd_infinity', 'kid', 'precision_recall', 'density_coverage')
_FOLDER_BATCH = 250
_BATCH_BYTES = 2**28  # of a batch of large images, as floats


def evaluate_runs(
  workdirs: Sequence[str],
  step: int | None = None,
  every_step: bool = False,
  options: Options = Options(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
) -> Evaluation:
  """Scores checkpoints of runs and adds the scores to their records.

  Args:
    workdirs: of the runs.
    step: of the checkpoint; None: the newest of each.
    every_step: score all checkpoints of each.
    options: what is scored with what.
    watch: called between batches with what is done, how many of how many images.

  Raises:
    UserError: for what options, runs or data cannot give.
  """
  check(options)
  configs = hosts.together(lambda: {one: record.load_config(one) for one in workdirs})
  asked = {workdir: build.asked_of(config, options) for workdir, config in configs.items()}
  sizes = {workdir: one.num_samples for workdir, one in asked.items()}
  scores.check_comparable(sizes, options.allow_different_n)
  for each in asked.values():
    check_best(options.best, each.metrics, each.features, each.resize, each.teachers)
  best_key = options.best or configs[workdirs[0]].checkpoint.best_score
  if len(workdirs) > 1:
    reals = {workdir: one.num_reals for workdir, one in asked.items()}
    scores.check_comparable(reals, options.allow_different_n, 'num_reals')
  found, data = Found(options.tenths), {}
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
  run = hosts.together(lambda: build.open_run(workdir, step))
  if options.data_dir:
    run.config.dataset.data_dir = options.data_dir
  datasets = hosts.in_turn(lambda: build.datasets(run.config))
  described = build.describe(run.config, datasets)
  hosts.together(lambda: record.check_dataset(workdir, described, 'bring back those of the run'))
  writable = os.access(workdir, os.W_OK)
  if not writable:
    found.notes.append(f'{workdir}: cannot be written; its own record does not get these scores')
  evaluator = Evaluator(asked, *datasets, watch)
  sampler = run.sampler(run.config.evaluate.batch_size)
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
    if row.scores and writable and hosts.is_first():
      try:
        found_here = scores.flat(row.scores) | evaluator.digests()
        record.append_line(workdir, 'evaluate', number, run.images, found_here)
      except OSError as error:
        found.notes.append(f'{workdir}: its record did not get these scores: {error.strerror}')
  found.about[workdir] = {'features': evaluator.describe(), 'dataset': described}
  found.notes += [f'{workdir}: {note}' for note in evaluator.notes]
  return described['fingerprints']


def evaluate_folders(
  folders: Sequence[str],
  reference: str,
  held_out: str = '',
  by_folder: bool = False,
  options: Options = Options(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
  follow_links: bool = False,
) -> Evaluation:
  """Scores folders (or archives, arrays) of images against one of real images.

  Args:
    folders: of the images.
    reference: of the real images.
    held_out: of other real images, for the floor; '': the floor is of a random part of the
      reference, at most a half, against the rest of it.
    by_folder: the folder that an image is in is its class.
    options: what is scored with what.
    watch: called between batches with what is done, how many of how many.
    follow_links: take what symbolic links in folders lead to.

  Raises:
    UserError: for what options or folders cannot give.
  """
  check(options)
  cache.enable_compilation_cache()
  opened = functools.partial(
    FolderImages, by_folder=by_folder, watch=watch, follow_links=follow_links
  )
  real = opened(reference, '--reference')
  names = real.class_names if real.num_classes else None
  fakes = [opened(folder, '--images', class_names=names) for folder in folders]
  others = [opened(held_out, '--held_out', class_names=names)] if held_out else []
  folder.unite([real, *others, *fakes])
  sizes = _sizes(fakes, options)
  found, evaluators = Found(options.tenths), {}
  for one in fakes:
    asked = _asked_of_folder(one, real, sizes[one.name], options)
    alike = asked.num_samples, asked.conditional
    if alike not in evaluators:
      check_best(options.best, asked.metrics, asked.features, asked.resize)
      evaluators[alike] = Evaluator(asked, real, others[0] if others else None, watch)
    evaluator = evaluators[alike]
    rows = np.sort(np.random.default_rng(0).permutation(len(one))[: asked.num_samples])
    images = subject.of_dataset(one.name, one, rows)
    row = Scored(one.name, [], class_names=tuple(real.class_names))
    found.add(row, images, evaluator)
    found.about[one.name] = {'fingerprint': one.fingerprint, 'images': len(one)}
    found.about['features'] = evaluator.describe()
  found.about['reference'] = {
    'name': real.name,
    'fingerprint': real.fingerprint,
    'images': len(real),
    'held_out': len(others[0]) if others else 'a part of them',
  }
  for evaluator in evaluators.values():
    found.notes += evaluator.notes
  found.notes += [
    f'{one.name}: {copies:,} of {len(one):,} images are copies of images of {real.name}'
    for one in (*others, *fakes)
    if (copies := one.copies_in(real))
  ]
  return found.finish(options.best or '', asked_for=options.best is not None)


def _sizes(folders: list[FolderImages], options: Options) -> dict[str, int]:
  """How many images of each folder are scored."""
  sizes = {one.name: len(one) for one in folders}
  if options.num_samples:
    for name, size in sizes.items():
      if size < options.num_samples:
        raise UserError(
          f'--num_samples={options.num_samples}: {name} has {size:,} images; '
          'accepted: at most as many'
        )
    sizes = dict.fromkeys(sizes, options.num_samples)
  scores.check_comparable(sizes, options.allow_different_n)
  return sizes


def _asked_of_folder(
  images: FolderImages, real: FolderImages, num_samples: int, options: Options
) -> Asked:
  image_bytes = 4 * int(np.prod(real.shape))
  return Asked(
    metrics=every_metric(options.metrics) or FOLDER_METRICS,
    features=options.features or FOLDER_FEATURES,
    num_samples=num_samples,
    num_reals=options.num_reals or len(real),
    batch_size=max(1, min(_FOLDER_BATCH, _BATCH_BYTES // image_bytes)),
    seed=0,
    resize=options.resize or 'antialias',
    weights=options.weights,
    conditional=bool(images.num_classes and real.num_classes),
    generated=False,
    strict=strict(options.metrics),
  )
