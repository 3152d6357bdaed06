"""What is audited: the images of a run or of a folder, beside the data that they stand for."""

import functools
from typing import NamedTuple

import numpy as np

from gan_jax import build
from gan_jax.build import OpenRun
from gan_jax.data.folder import FolderImages, unite
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.evaluation import subject as evaluated
from gan_jax.evaluation.embedding import Embedder, Watch, embed, open_embedder, stored
from gan_jax.evaluation.reals import Reals
from gan_jax.metrics.features import Features
from gan_jax.runtime import cache
from gan_jax.sampling.sampler import Sampler
from gan_jax.workdir import record

NUM_SAMPLES = 10_000  # images that are audited, where the user names no number
_MOST_REALS = 10_000  # real images that features are compared with
_BATCH = 250


class SubjectFeatures(NamedTuple):
  """Features by one network.

  Attributes:
    train: of real images, rows `Subject.train_rows` of `Subject.train`.
    holdout: of held-out real images, rows `Subject.holdout_rows` of `Subject.holdout`.
    generated: of all generated images, in order.
  """

  train: Features
  holdout: Features
  generated: Features


class Subject:
  """Images to be audited, and the data that they are audited against.

  Attributes:
    name: for messages and pages.
    images: those generated, `[N, H, W, C]`, uint8 or uint16, on disk.
    labels: the class that each was asked to have or, in a folder, lies in, `[N]`; None without.
    train: the real images that the model was trained on, or the reference.
    holdout: real images kept from it; of a folder without others, a half of the reference.
    class_names: of the data, in the order of the labels.
    run: the generator; None for a folder.
    workdir: of the run, or ''.
    features: names of the feature networks that audits use unless they are told others.
    teachers: features that the run was trained on: no judgement by them.
    seed: of the latents of `images`, and of whatever else is drawn.
    out: folder for what audits write beside their page; "" where nothing is written.
    watch: called with what is done, how many of how many.
  """

  def __init__(
    self,
    name: str,
    images: np.ndarray,
    labels: np.ndarray | None,
    compared: ImageDataset,
    holdout: ImageDataset | None,
    *,
    features: tuple[str, ...],
    run: OpenRun | None = None,
    workdir: str = '',
    teachers: tuple[str, ...] = (),
    seed: int = 0,
    watch: Watch = lambda what, done, total: None,
  ):
    """Takes images and data; reads no features yet.

    Args:
      name: see the attributes, as all that are not told here.
      images: likewise.
      labels: likewise.
      compared: the real images, of which a half is held out where `holdout` is None.
      holdout: other real images, or None.
      features: likewise, as all that follow.
      run: likewise.
      workdir: likewise.
      teachers: likewise.
      seed: likewise.
      watch: likewise.
    """
    self.name, self.images, self.labels = name, images, labels
    self.run, self.workdir, self.features = run, workdir, features
    self.teachers, self.seed, self.watch = teachers, seed, watch
    self.out = ''
    self._reals = Reals(
      compared,
      holdout,
      num_reals=_MOST_REALS if holdout is not None else len(compared),
      num_samples=_MOST_REALS,
      seed=seed,
    )
    self.train, self.holdout = self._reals.train, self._reals.holdout
    self.class_names = list(compared.class_names)
    self.num_classes = compared.num_classes
    self.train_rows = (
      self._reals.rows if self._reals.are_apart else np.arange(len(self._reals.train))
    )
    self.holdout_rows = self._reals.held_rows

  def __len__(self) -> int:
    return len(self.images)

  @property
  def conditional(self) -> bool:
    """Whether a generator is asked for classes."""
    return self.run is not None and self.run.config.model.conditional

  @functools.cache  # noqa: B019 - one subject a process
  def embedder(self, network: str) -> Embedder:
    """A feature network on the devices, by name; `classifier` is of the data's classes.

    Raises:
      UserError: for an unknown one, one that cannot be had here, or one trained on.
    """
    if network in self.teachers:
      raise UserError(
        f'--features={network}: the run was trained on these features, so they are no judgement'
      )
    batch = max(1, min(_BATCH, 2**28 // (4 * int(np.prod(self.train.shape)))))
    return open_embedder(network, self.train, self.holdout, {}, 'antialias', batch)

  @functools.cache  # noqa: B019 - one subject a process
  def features_of(self, network: str) -> SubjectFeatures:
    """Features of reals, held-out reals and generated images, computed once."""
    embedder = self.embedder(network)
    real = self._reals.features(embedder, self.watch)
    own = evaluated.of_array(self.name, self.images, self.labels)
    found = embed(own, 0, [embedder], self.watch, keep_images=False)
    return SubjectFeatures(real.rest, real.held_out, found.features[0])

  def draw(self, labels: np.ndarray, seed: int, first: int = 0) -> np.ndarray:
    """Other images of the run `[n, H, W, C]`: image i of a seed is always the same.

    Args:
      labels: classes to ask for, `[n]`; ignored by an unconditional generator.
      seed: of the latents; `self.seed + 1` gives those of `images`.
      first: place of the first image.
    """
    assert self.run is not None  # asked of runs alone
    sampler = self._sampler
    return np.concatenate(list(sampler.draw(self.run.variables, labels, seed, first=first)))

  @functools.cached_property
  def _sampler(self) -> Sampler:
    assert self.run is not None
    return self.run.sampler(self.run.config.evaluate.batch_size)


def of_run(
  workdir: str,
  step: int | None = None,
  num_samples: int = NUM_SAMPLES,
  features: tuple[str, ...] = (),
  data_dir: str = '',
  seed: int = 0,
  watch: Watch = lambda what, done, total: None,
) -> Subject:
  """Draws images of a run, classes as frequent as in its data, and opens the data.

  Args:
    workdir: of the run.
    step: of the checkpoint, or the images shown before it; None: the newest.
    num_samples: images to draw.
    features: networks; (): those of the run's config.
    data_dir: where its dataset is now; '': where the run had it.
    seed: of the latents.
    watch: see `Subject`.

  Raises:
    UserError: for what is no whole run, or data that are not there or not those of the run.
    NonFiniteError: for a generator whose images are not finite.
  """
  run = build.open_run(workdir, step)
  if data_dir:
    run.config.dataset.data_dir = data_dir
  train, holdout = build.datasets(run.config)
  described = build.describe(run.config, build.Datasets(train, holdout))
  record.check_dataset(workdir, described, 'bring back those of the run')
  asked = build.asked_of(run.config)
  own = train.labels(np.random.default_rng(seed).permutation(len(train)))
  labels = own[np.arange(num_samples) % len(own)]
  conditional = bool(run.config.model.conditional)
  name = f'{workdir} at step {run.step:,}'
  generator = evaluated.of_generator(
    name, run.sampler(run.config.evaluate.batch_size), run.variables, labels, conditional
  )
  usable = tuple(each for each in features or asked.features if each not in asked.teachers)
  return Subject(
    name,
    stored(generator, seed + 1),
    labels if conditional else None,
    train,
    holdout,
    features=usable or ('efficientnet_lite0',),
    run=run,
    workdir=workdir,
    teachers=asked.teachers,
    seed=seed,
    watch=watch,
  )


def of_folder(
  images: str,
  reference: str,
  held_out: str = '',
  labels: str = '',
  num_samples: int = NUM_SAMPLES,
  features: tuple[str, ...] = (),
  seed: int = 0,
  follow_links: bool = False,
  watch: Watch = lambda what, done, total: None,
) -> Subject:
  """Opens images by anybody, and the real ones to audit them against.

  Args:
    images: folder, archive or array of the images.
    reference: of real images.
    held_out: of other real images; '': a half of the reference is held out.
    labels: of the real images: `folders`, where the folder that an image is in is its class, a
      label file, or '': what the source itself knows. Folders count for the others too.
    num_samples: images that are audited, at most.
    features: networks; (): `efficientnet_lite0`.
    seed: of the choices.
    follow_links: take what symbolic links lead to.
    watch: see `Subject`.

  Raises:
    UserError: for folders that cannot be read, or sizes that differ.
  """
  cache.enable_compilation_cache()
  by_folder = labels == 'folders'
  table = '' if by_folder else labels
  opened = functools.partial(
    FolderImages, by_folder=by_folder, watch=watch, follow_links=follow_links
  )
  real = opened(reference, '--reference', table=table)
  names = real.class_names if real.num_classes else None
  others = [opened(held_out, '--held_out', class_names=names)] if held_out else []
  own = opened(images, '--images', class_names=names, optional=True)
  unite([real, *others, own])
  rows = np.sort(np.random.default_rng(seed).permutation(len(own))[:num_samples])
  found = evaluated.of_dataset(images, own, rows)
  return Subject(
    own.name,
    stored(found),
    found.labels,
    real,
    others[0] if others else None,
    features=features or ('efficientnet_lite0',),
    seed=seed,
    watch=watch,
  )


def with_images(
  known: Subject, name: str, images: np.ndarray, labels: np.ndarray | None
) -> Subject:
  """Other images of a subject's run, to be audited against the same data."""
  return Subject(
    name,
    images,
    labels,
    known.train,
    known.holdout,
    features=known.features,
    run=known.run,
    workdir=known.workdir,
    teachers=known.teachers,
    seed=known.seed,
    watch=known.watch,
  )
