"""Scores images in folders, and generators of any origin, against real images in a folder."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_jax import build
from gan_jax.data import folder
from gan_jax.data.folder import FolderImages
from gan_jax.data.ingest import fit
from gan_jax.errors import UserError
from gan_jax.evaluation import scores, subject
from gan_jax.evaluation.embedding import Watch
from gan_jax.evaluation.evaluator import Asked, Evaluator
from gan_jax.evaluation.options import Options, check, check_best, every_metric, strict
from gan_jax.evaluation.result import Evaluation, Found
from gan_jax.evaluation.scores import Scored
from gan_jax.runtime import cache

# Where the user names none: what needs neither classes nor files of weights.
FOLDER_FEATURES = ('efficientnet_lite0',)
FOLDER_METRICS = ('fd', 'fd_infinity', 'kid', 'precision_recall', 'density_coverage')
_FOLDER_BATCH = 250
_GENERATED = 64  # images at once


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
  found, evaluators = Found(), {}
  for one in fakes:
    asked = _asked(real, sizes[one.name], options, bool(one.num_classes and real.num_classes))
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
  found.about['reference'] = _about(real, others)
  for evaluator in evaluators.values():
    found.notes += evaluator.notes
  found.notes += [
    f'{one.name}: {copies:,} of {len(one):,} images are copies of images of {real.name}'
    for one in (*others, *fakes)
    if (copies := one.copies_in(real))
  ]
  return found.finish(options.best or '', asked_for=options.best is not None)


def evaluate_against(
  paths: Sequence[str],
  reference: str,
  held_out: str = '',
  by_folder: bool = False,
  step: int | None = None,
  options: Options = Options(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
  follow_links: bool = False,
) -> Evaluation:
  """Scores generators of any origin against a folder of real images.

  Each makes as many images as the folder holds, or as the options say, of classes as frequent as
  there; where the folder knows no classes, of all in turn.

  Args:
    paths: what `gan_jax.open` takes: runs, exported folders, published files.
    reference: see `evaluate_folders`, as the next two.
    held_out: likewise.
    by_folder: likewise; classes that the generator has names for are found by these.
    step: of the checkpoint of runs; None: the newest.
    options: what is scored with what.
    watch: called between batches with what is done, how many of how many images.
    follow_links: see `evaluate_folders`.

  Raises:
    UserError: for what options, generators or folders cannot give.
  """
  check(options)
  cache.enable_compilation_cache()
  runs = {path: build.open_generator(path, step) for path in paths}
  known = [run.class_names for run in runs.values() if run.class_names]
  opened = functools.partial(
    FolderImages, by_folder=by_folder, watch=watch, follow_links=follow_links
  )
  real = opened(reference, '--reference', class_names=known[0] if known and by_folder else None)
  names = real.class_names if real.num_classes else None
  others = [opened(held_out, '--held_out', class_names=names)] if held_out else []
  folder.unite([real, *others])
  for path, run in runs.items():
    _bring_to(path, run, [real, *others])
  found, count = Found(), options.num_samples or len(real)
  for path, run in runs.items():
    conditional = bool(run.generator.num_classes and real.num_classes)
    asked = build.judged(run.config, _asked(real, count, options, conditional), options)
    check_best(options.best, asked.metrics, asked.features, asked.resize, asked.teachers)
    evaluator = Evaluator(asked, real, others[0] if others else None, watch)
    labels = evaluator.asked_labels if conditional else _in_turn(run, count)
    sampler = run.sampler(min(_GENERATED, asked.batch_size))
    one = subject.of_generator(path, sampler, run.variables, labels, conditional)
    row = Scored(path, [], run.step, run.images, tuple(real.class_names))
    found.add(row, one, evaluator, options.repeats)
    found.about[path] = {'features': evaluator.describe()}
    found.notes += [f'{path}: {note}' for note in evaluator.notes]
  found.about['reference'] = _about(real, others)
  return found.finish(options.best or '', asked_for=options.best is not None)


def _bring_to(
  path: str, run: build.Brought | build.OpenRun, folders: Sequence[FolderImages]
) -> None:
  """Brings images to the kind of a generator's; refuses what it cannot be compared with."""
  network: Any = run.generator
  height, width = np.broadcast_to(network.resolution, 2)
  kind = fit.kind_of(np.zeros((1, 1, network.channels), run.dtype))
  real = folders[0]
  if real.shape[:2] != (height, width) or fit.common_kind({real.kind, kind}) != kind:
    raise UserError(
      f'{real.name} holds images of {real.shape[1]}x{real.shape[0]} {real.kind}, {path} makes '
      f'{width}x{height} {kind}; accepted: those (`launch.py prepare` brings images to a size)'
    )
  for each in folders:
    each.convert_to(kind)
  if real.num_classes and network.num_classes and real.num_classes != network.num_classes:
    raise UserError(
      f'{real.name}: {real.num_classes} classes, {path} has {network.num_classes}; accepted: as '
      'many, or none'
    )


def _in_turn(run: build.Brought | build.OpenRun, count: int) -> np.ndarray:
  classes: int = run.generator.num_classes
  return np.arange(count, dtype=np.int32) % max(1, classes)


def _about(real: FolderImages, others: Sequence[FolderImages]) -> dict[str, Any]:
  return {
    'name': real.name,
    'fingerprint': real.fingerprint,
    'images': len(real),
    'held_out': len(others[0]) if others else 'a part of them',
  }


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


def _asked(real: FolderImages, num_samples: int, options: Options, conditional: bool) -> Asked:
  """What is asked of so many images of a folder, with classes or without."""
  return Asked(
    metrics=every_metric(options.metrics) or FOLDER_METRICS,
    features=options.features or FOLDER_FEATURES,
    num_samples=num_samples,
    num_reals=options.num_reals or len(real),
    batch_size=_FOLDER_BATCH,
    seed=0,
    resize=options.resize or 'antialias',
    weights=options.weights,
    conditional=conditional,
    generated=False,
    strict=strict(options.metrics),
    tenths=options.tenths,
  )
