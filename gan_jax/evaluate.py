"""Scores runs and folders of images against real images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, cache, checkpoint, parallel, record, registry
from gan_jax.data.folder import FolderImages
from gan_jax.data.ingest import fit
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import scores, subject
from gan_jax.evaluation.embedding import Watch
from gan_jax.evaluation.evaluator import Asked, Evaluator
from gan_jax.evaluation.scores import Scored
from gan_jax.features.network import Resize
from gan_jax.runs import open_run

# Of folders, where the user names none: what needs neither classes nor files of weights.
FOLDER_FEATURES = ('efficientnet_lite0',)
FOLDER_METRICS = ('fd', 'fd_infinity', 'kid', 'precision_recall', 'density_coverage')
_FOLDER_BATCH = 250
_BATCH_BYTES = 2**28  # of a batch of large images, as floats


class Options(NamedTuple):
  """What the user asks for beyond a run's config; None: as the config says, or the default.

  Attributes:
    metrics: modules of gan_jax/metrics, or `('all',)`: all that can be given.
    features: modules of gan_jax/features.
    num_samples: images scored; of folders: at most.
    num_reals: real images that they are compared with, at most.
    resize: how images are brought to a network's size.
    weights: file of a network's weights, by its name.
    repeats: sampling seeds.
    best: the score that orders checkpoints or folders.
    allow_different_n: put scores of different numbers of images into one table.
  """

  metrics: tuple[str, ...] | None = None
  features: tuple[str, ...] | None = None
  num_samples: int | None = None
  num_reals: int | None = None
  resize: Resize | None = None
  weights: dict[str, str] = {}  # noqa: RUF012 - never changed
  repeats: int = 1
  best: str | None = None
  allow_different_n: bool = False


class Gallery(NamedTuple):
  """Some images of a subject beside the real images nearest to them."""

  subject: str
  images: np.ndarray
  nearest: np.ndarray
  distances: np.ndarray


class Evaluation(NamedTuple):
  """What was found.

  Attributes:
    rows: the scores of each checkpoint or folder.
    best: the row that is best by `best_key`, and those that its interval reaches.
    best_key: the score that orders them; '' where none does.
    class_names: what details are of, in their order.
    gallery: of the best row.
    notes: what the user should know beside the scores.
    about: feature networks and data, for the record.
  """

  rows: list[Scored]
  best: tuple[int, list[int]]
  best_key: str
  class_names: list[str]
  gallery: Gallery
  notes: list[str]
  about: dict[str, Any]


def asked_of(config: ConfigDict, options: Options = Options()) -> Asked:  # noqa: B008 - never changed
  """What a config asks to be scored, but for what the options say otherwise."""
  section = config.evaluate
  weights = {name: path for name, path in section.get('weights', {}).items() if path}
  return Asked(
    metrics=_metrics(options.metrics) or tuple(section.metrics),
    features=options.features or tuple(section.features),
    num_samples=options.num_samples or section.num_samples,
    num_reals=options.num_reals or section.num_reals,
    batch_size=section.batch_size,
    seed=config.seed,
    resize=options.resize or section.get('resize', 'antialias'),
    weights={**weights, **options.weights},
    conditional=config.model.conditional,
    strict=_strict(options.metrics),
  )


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
  _check(options)
  asked = {workdir: asked_of(record.load_config(workdir), options) for workdir in workdirs}
  sizes = {workdir: one.num_samples for workdir, one in asked.items()}
  scores.check_comparable(sizes, options.allow_different_n)
  for one in asked.values():
    _check_best(options.best, one)
  best_key = options.best or record.load_config(workdirs[0]).checkpoint.best_score
  found = _Found()
  for workdir in workdirs:
    run = open_run(workdir, step)
    datasets = build.datasets(run.config)
    described = build.describe(run.config, datasets)
    record.check_dataset(workdir, described, 'bring back those of the run')
    evaluator = Evaluator(asked[workdir], *datasets, watch)
    sampler = run.sampler(run.config.evaluate.batch_size)
    steps = checkpoint.Checkpointer(workdir, read_only=True).steps() if every_step else [run.step]
    for number in steps:
      run = run if number == run.step else open_run(workdir, number)
      images = number * run.config.train.batch_size
      one = subject.of_generator(
        f'{workdir} at step {number:,}',
        sampler,
        run.variables,
        evaluator.asked_labels,
        run.config.model.conditional,
      )
      row = Scored(workdir, evaluator.score(one, options.repeats), number, images)
      found.add(row, evaluator, one)
      if parallel.is_first_host():
        record.append_line(workdir, 'evaluate', number, images, scores.flat(row.scores))
    found.about[workdir] = {'features': evaluator.describe(), 'dataset': described}
    found.class_names = datasets.train.class_names
    found.notes += [f'{workdir}: {note}' for note in evaluator.notes]
  return found.finish(best_key, asked_for=options.best is not None)


def evaluate_folders(
  folders: Sequence[str],
  reference: str,
  held_out: str = '',
  by_folder: bool = False,
  options: Options = Options(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
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

  Raises:
    UserError: for what options or folders cannot give.
  """
  _check(options)
  cache.enable_compilation_cache()
  real = FolderImages(reference, '--reference', by_folder=by_folder, watch=watch)
  names = real.class_names if real.num_classes else None

  def opened(path: str, flag: str) -> FolderImages:
    return FolderImages(path, flag, by_folder=by_folder, class_names=names, watch=watch)

  fakes = [opened(folder, '--images') for folder in folders]
  others = [opened(held_out, '--held_out')] if held_out else []
  _unite([real, *others, *fakes])
  available = {one.name: len(one) for one in fakes}
  if options.num_samples:
    for name, size in available.items():
      if size < options.num_samples:
        raise UserError(
          f'--num_samples={options.num_samples}: {name} has {size:,} images; '
          'accepted: at most as many'
        )
    available = dict.fromkeys(available, options.num_samples)
  scores.check_comparable(available, options.allow_different_n)
  most = max(available.values())
  aside: ImageDataset | np.ndarray = others[0] if others else _aside(real, most)
  image_bytes = 4 * int(np.prod(real.shape))
  found = _Found()
  for one in fakes:
    asked = Asked(
      metrics=_metrics(options.metrics) or FOLDER_METRICS,
      features=options.features or FOLDER_FEATURES,
      num_samples=available[one.name],
      num_reals=options.num_reals or len(real),
      batch_size=max(1, min(_FOLDER_BATCH, _BATCH_BYTES // image_bytes)),
      seed=0,
      resize=options.resize or 'antialias',
      weights=options.weights,
      conditional=bool(one.num_classes and real.num_classes),
      generated=False,
      strict=_strict(options.metrics),
    )
    _check_best(options.best, asked)
    if not found.rows or asked.num_samples != most:
      evaluator = Evaluator(asked, real, aside, watch)
    rows = np.sort(np.random.default_rng(0).permutation(len(one))[: asked.num_samples])
    images = subject.of_dataset(one.name, one, rows)
    found.add(Scored(one.name, evaluator.score(images)), evaluator, images)
    found.about[one.name] = {'fingerprint': one.fingerprint, 'images': len(one)}
  found.about['reference'] = {
    'name': real.name,
    'fingerprint': real.fingerprint,
    'images': len(real),
    'held_out': len(aside),
    'features': evaluator.describe(),
  }
  found.class_names = real.class_names
  found.notes += evaluator.notes
  return found.finish(options.best or '', asked_for=options.best is not None)


class _Found:
  """Gathers the rows of an evaluation, and pictures of each until the best is known."""

  def __init__(self) -> None:
    self.rows: list[Scored] = []
    self.notes: list[str] = []
    self.class_names: list[str] = []
    self.about: dict[str, Any] = {}
    self._galleries: list[Gallery] = []

  def add(self, row: Scored, evaluator: Evaluator, of: subject.Subject) -> None:
    self.rows.append(row)
    self._galleries.append(Gallery(row.label, *evaluator.shown(of)))

  def finish(self, best_key: str, asked_for: bool) -> Evaluation:
    keys = [score.key for score in self.rows[0].scores if score.higher_is_better is not None]
    if not asked_for and best_key not in keys:  # the config's is not among those asked for now
      best_key = keys[0] if keys else ''
    best = scores.best(self.rows, best_key) if best_key else (0, [])
    gallery = self._galleries[best[0]]
    return Evaluation(self.rows, best, best_key, self.class_names, gallery, self.notes, self.about)


def _check(options: Options) -> None:
  for name in ('num_samples', 'num_reals', 'repeats'):
    value = getattr(options, name)
    if value is not None and value < 1:
      raise UserError(f'--{name}={value}: must be positive')
  if options.resize not in (None, 'antialias', 'legacy'):
    raise UserError(
      f'--resize={options.resize}: {nearest(options.resize, ("antialias", "legacy"))}'
    )
  networks = registry.names('features', 'load')
  for name in (*(options.features or ()), *options.weights):
    if name not in networks:
      raise UserError(f'--features={name}: unknown; {nearest(name, networks)}')
  metrics = registry.names('metrics', 'compute')
  for name in options.metrics or ():
    if name not in (*metrics, 'all'):
      raise UserError(f'--metrics={name}: unknown; {nearest(name, [*metrics, "all"])}')


def _check_best(best: str | None, asked: Asked) -> None:
  """Raises UserError for a score that orders nothing here, before any is computed."""
  if best is None:
    return
  found = []
  for metric in asked.metrics:
    module = registry.find('metrics', metric, 'compute', 'evaluate.metrics')
    ordering = [name for name, higher in module.SCORES.items() if higher is not None]
    suffixes = [''] if 'images' in module.NEEDS else [f'_{name}' for name in asked.features]
    found += [f'{name}{suffix}' for name in ordering for suffix in suffixes]
  if best.removesuffix('_legacy') not in found:
    raise UserError(f'--best={best}: {nearest(best, found)}')


def _metrics(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
  return tuple(registry.names('metrics', 'compute')) if names == ('all',) else names


def _strict(names: tuple[str, ...] | None) -> bool:
  """Whether what cannot be given is an error: where the user has named it."""
  return names is not None and names != ('all',)


def _unite(folders: list[FolderImages]) -> None:
  """Brings folders to one kind of pixels, such as RGB; raises UserError for different sizes."""
  first = folders[0]
  kind = fit.common_kind({one.kind for one in folders})
  for one in folders:
    if one.shape[:2] != first.shape[:2]:
      say = lambda one: f'{one.name} holds images of {one.shape[1]}x{one.shape[0]}'
      raise UserError(
        f'{say(one)}, {say(first)}; accepted: one size (`launch.py prepare` brings them to one)'
      )
    one.convert_to(kind)


def _aside(real: FolderImages, count: int) -> np.ndarray:
  """Rows of the reference for the floor, at most a half of it."""
  aside = min(count, len(real) // 2)
  if not aside:
    raise UserError(f'{real.name}: holds one image; accepted: at least 2')
  return np.random.default_rng(0).permutation(len(real))[:aside]
