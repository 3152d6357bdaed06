"""Scores subjects against real images, with the floor that held-out real images reach."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from gan_jax import registry
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.evaluation import sheets
from gan_jax.evaluation.embedding import (
  Embedded,
  Embedder,
  Watch,
  embed,
  embed_pairs,
  moved_to_disk,
  open_embedder,
  stored,
)
from gan_jax.evaluation.reals import RealFeatures, Reals
from gan_jax.evaluation.scores import Score
from gan_jax.evaluation.subject import Subject
from gan_jax.features.network import FeatureNetwork, Request, Resize, marked
from gan_jax.metrics import nearest
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.features import Features
from gan_jax.metrics.path_length import EPSILON

_SHOWN = 12  # images of a subject that are put beside real ones


class Asked(NamedTuple):
  """What is scored with what.

  Attributes:
    metrics: modules of gan_jax/metrics.
    features: modules of gan_jax/features.
    num_samples: images of each subject.
    num_reals: real images that they are compared with, at most.
    batch_size: images through a network at once, over all local devices.
    seed: of the choice of real images; the first sampling seed is one more.
    resize: how images are brought to a network's size.
    weights: file of a network's weights, by its name, where it comes with none.
    conditional: whether the images scored have classes.
    generated: whether they come from a generator.
    halves: the score, as configs call it, that both halves of the images are given, too; or ''.
    teachers: features that a run was trained on: what they score is marked in its name.
    strict: refuse a metric that none of the features can give, rather than leave it out.
    tenths: pick some of a subject's best, middle and worst images, by the first of the features.
  """

  metrics: tuple[str, ...]
  features: tuple[str, ...]
  num_samples: int
  num_reals: int
  batch_size: int
  seed: int
  resize: Resize = 'antialias'
  weights: dict[str, str] = {}  # noqa: RUF012 - never changed
  conditional: bool = False
  generated: bool = True
  halves: str = ''
  teachers: tuple[str, ...] = ()
  strict: bool = False
  tenths: bool = False


class _Network(NamedTuple):
  """A feature network with what it makes of the real images."""

  embedder: Embedder
  reals: RealFeatures

  @property
  def of(self) -> FeatureNetwork:
    return self.embedder.network


class _Value(NamedTuple):
  """One score of one subject, of a metric and a network or none."""

  metric: str
  higher_is_better: bool | None
  network: FeatureNetwork | None
  estimate: Estimate
  details: dict[int, Estimate]
  size: int  # images that it is of
  halves: tuple[float, ...] = ()

  @property
  def key(self) -> tuple[str, str]:
    return self.metric, self.network.name if self.network else ''


def check(asked: Asked, compared: ImageDataset, holdout: ImageDataset) -> None:
  """Raises UserError for networks that these real images cannot have, at once."""
  for name in asked.features:
    module = registry.find('features', name, 'evaluate.features')
    if hasattr(module, 'check'):
      module.check(Request(compared, holdout, asked.weights.get(name, ''), asked.resize))


class Evaluator:
  """Holds the feature networks and the features of the real images, and scores subjects.

  Attributes:
    notes: what the user should know beside the scores.
    tenths: of the subject that was scored last, where they are asked for.
  """

  def __init__(
    self,
    asked: Asked,
    compared: ImageDataset,
    holdout: ImageDataset | None,
    watch: Watch = lambda what, done, total: None,
  ):
    """Loads the networks, runs the real images through them and computes the floors.

    Args:
      asked: what to score.
      compared: real images, as `Reals` takes them.
      holdout: those that the floor is of, or None, likewise.
      watch: called between batches with what is done, how many of how many images; what it raises
        ends the evaluation.

    Raises:
      UserError: for a metric or network that cannot be had here, or real images that cannot give a
        score.
    """
    self._asked, self._watch = asked, watch
    self.tenths: list[sheets.Tenth] = []
    self._reals = Reals(
      compared,
      holdout,
      num_reals=asked.num_reals,
      num_samples=asked.num_samples,
      seed=asked.seed,
    )
    self._metrics = {
      name: registry.find('metrics', name, 'evaluate.metrics') for name in asked.metrics
    }
    self._networks = [self._open(name) for name in asked.features]
    self.notes = self._check()
    self._floors = self._floor_scores()

  @property
  def asked_labels(self) -> np.ndarray:
    """Classes to ask a generator for, as frequent as in the data."""
    return self._reals.labels(self._asked.num_samples)

  def describe(self) -> dict[str, Any]:
    """What the feature networks are, by name."""
    return {network.of.name: network.of.description for network in self._networks}

  def digests(self) -> dict[str, str]:
    """Of networks that were trained here: scores by others of their kind do not match theirs."""
    about = {name: each.get('digest') for name, each in self.describe().items()}
    return {f'digest_{name}': digest for name, digest in about.items() if digest}

  def score(self, subject: Subject, repeats: int = 1) -> list[Score]:
    """Scores a subject, `repeats` times over as many sampling seeds.

    A score that its images cannot give is left out, with a note.

    Raises:
      UserError: for images that can give none.
      NonFiniteError: for a generator whose images are not finite.
    """
    first = self._asked.seed + 1  # not the latents of the sample grids
    found = self._embed(subject, first, self._asked.tenths)
    self.tenths = self._tenths(found, first) if self._asked.tenths else []
    runs = [self._score_once(subject, first, found)]
    del found  # the features of one seed at a time
    for seed in range(first + 1, first + repeats):
      runs.append(self._score_once(subject, seed, self._embed(subject, seed)))
    scores = []
    for value in runs[0].values():
      floor = self._floors.get(value.key)
      scores.append(
        Score(
          *value.key,
          value.network.resize if value.network else 'none',
          value.higher_is_better,
          value.estimate,
          n=subject.size,
          n_real=len(self._reals.rows),
          floor=floor.estimate if floor else None,
          n_floor=floor.size if floor else 0,
          n_real_floor=self._reals.num_rest if floor else 0,
          details=value.details,
          repeats=_over_seeds(runs, value.key) if repeats > 1 else (),
          halves=value.halves,
        )
      )
    return scores

  def shown(self, subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some images of a subject, the real image nearest to each, and the distances `[n]`.

    Nearest by the first network's features.
    """
    embedder, reals = self._networks[0]
    batches = subject.batches(self._asked.seed + 1, 0, min(_SHOWN, subject.size))
    images = np.concatenate(list(batches))
    pooled = np.concatenate([part for part, _ in embedder(images)])
    rows, distances = nearest.nearest_real(reals.compared, Features(pooled))
    found = self._reals.compared.fetch(self._reals.rows[rows])
    return images, found['image'], distances

  def _open(self, name: str) -> _Network:
    asked, reals = self._asked, self._reals
    embedder = open_embedder(
      name, reals.train, reals.holdout, asked.weights, asked.resize, asked.batch_size
    )
    features = self._reals.features(embedder, self._watch)
    of = embedder.network
    embedder.network = of._replace(name=marked(of.name, name, asked.teachers))
    return _Network(embedder, features)

  def _embed(self, subject: Subject, seed: int, keep_images: bool = False) -> Embedded:
    """The features of a subject, and its images where they or a metric are asked for."""
    keep = keep_images or any(
      'images' in module.NEEDS and not self._missing(module, None)
      for module in self._metrics.values()
    )
    embedders = [network.embedder for network in self._networks]
    return embed(subject, seed, embedders, self._watch, keep)

  def _tenths(self, found: Embedded, seed: int) -> list[sheets.Tenth]:
    assert found.images is not None  # as they were asked for
    real = self._networks[0].reals.compared.pooled
    parts = sheets.tenths(found.images, found.features[0].pooled, real, seed)
    return [part._replace(images=moved_to_disk(part.images)) for part in parts]

  def _score_once(
    self, subject: Subject, seed: int, found: Embedded
  ) -> dict[tuple[str, str], _Value]:
    if found.constant:
      self.notes.append(f'{subject.name}: all {subject.size:,} images are one and the same')
    values: list[_Value] = []
    refused: list[str] = []
    for name, module in self._metrics.items():
      self._watch(f'{subject.name}: {name}', 0, 0)
      try:
        values += self._on_subject(module, subject, seed, found)
      except UserError as error:
        refused.append(f'no {name}: {error}')
    if refused and not values:
      raise UserError(refused[0])
    self.notes += [f'{subject.name}: {reason}' for reason in refused]
    return {value.key: value for value in values}

  def _on_subject(
    self, module: ModuleType, subject: Subject, seed: int, found: Embedded
  ) -> list[_Value]:
    """The scores of one metric, by each network that can give it."""
    if 'images' in module.NEEDS:
      if self._missing(module, None):
        return []
      assert found.images is not None
      assert subject.labels is not None
      scores = self._on_images(module, found.images, subject.labels)
      return _values(module, None, scores, subject.size)
    values = []
    for network, fake in zip(self._networks, found.features, strict=True):
      if self._missing(module, network):
        continue
      halves: list[dict[str, Estimate]] = []
      if 'pairs' in module.NEEDS:
        pairs = embed_pairs(subject, seed, network.embedder, self._watch)
        scores = module.compute(*pairs, EPSILON)
      else:
        scores = _on_features(module, network.reals.compared, fake, network.reals)
        if any(f'{score}_{network.of.name}' == self._asked.halves for score in module.SCORES):
          halves = [
            _on_features(module, network.reals.compared, half, network.reals)
            for half in _halves(fake)
          ]
      values += _values(module, network.of, scores, subject.size, halves)
    return values

  def _on_images(
    self, module: ModuleType, images: np.ndarray, labels: np.ndarray
  ) -> dict[str, Estimate]:
    classes = self._reals.compared.num_classes
    return module.compute(images, labels, *self._reals.test_images, classes)

  def _floor_scores(self) -> dict[tuple[str, str], _Value]:
    """Scores of real images in place of a subject's; what they cannot give is left out."""
    floors: list[_Value] = []
    for name, module in self._metrics.items():
      try:
        if 'images' in module.NEEDS:
          if not self._missing(module, None):
            real = self._reals.training_images(self._asked.num_samples)
            assert real.labels is not None  # or it had been missing
            scores = self._on_images(module, stored(real), real.labels)
            floors += _values(module, None, scores, real.size)
        elif 'pairs' not in module.NEEDS:
          for network in self._networks:
            if not self._missing(module, network):
              reals = network.reals
              scores = _on_features(module, reals.rest, reals.held_out, reals)
              floors += _values(module, network.of, scores, self._reals.num_held_out)
      except UserError as error:
        self.notes.append(f'no floor of {name}: {error}')
    return {value.key: value for value in floors}

  def _check(self) -> list[str]:
    """Says which metrics cannot be had; raises UserError where they must be."""
    reasons = []
    for name, module in self._metrics.items():
      on: list[_Network | None] = [None] if 'images' in module.NEEDS else [*self._networks]
      missing = [self._missing(module, network) for network in on]
      if all(missing):
        reasons.append(f'no {name}: {missing[0]}')
        if self._asked.strict:
          raise UserError(f'--metrics={name}: {missing[0]}')
    return reasons

  def _missing(self, module: ModuleType, network: _Network | None) -> str:
    """Why a metric cannot be had, or ''."""
    needs = set(module.NEEDS)
    classes = self._reals.compared.num_classes
    if needs & {'labels', 'real_labels', 'images', 'class_logits'} and not classes:
      return 'the real images have no classes'
    if needs & {'labels', 'images'} and not self._asked.conditional:
      return 'the images scored have no classes'
    if 'pairs' in needs and not self._asked.generated:
      return 'it takes a generator, and these are images alone'
    if 'held_out' in needs and not self._reals.are_apart:
      return 'it takes images that are not in the reference: --held_out'
    if network is None:
      return ''
    if 'class_logits' in needs and network.of.classes != 'dataset':
      return f"{network.of.name} does not know the dataset's classes"
    if 'logits' in needs and network.reals.compared.logits is None:
      return f'{network.of.name} has no logits'
    return ''


def _on_features(
  module: ModuleType, real: Features, fake: Features, reals: RealFeatures
) -> dict[str, Estimate]:
  if 'held_out' in module.NEEDS:
    return module.compute(reals.rest, fake, reals.held_out)
  return module.compute(real, fake)


def _halves(features: Features) -> list[Features]:
  """Every other image, and the rest: with labels in order, each half has its share of a class."""

  def half(first: int) -> Features:
    logits, labels = (part if part is None else part[first::2] for part in features[1:])
    return Features(features.pooled[first::2], logits, labels)

  return [half(0), half(1)]


def _values(
  module: ModuleType,
  network: FeatureNetwork | None,
  scores: dict[str, Estimate],
  size: int,
  halves: Sequence[dict[str, Estimate]] = (),
) -> list[_Value]:
  """The scores of a module, each with its own details."""
  found = []
  for metric, higher in module.SCORES.items():
    prefix = f'{metric}/'
    details = {
      int(name.removeprefix(prefix)): estimate
      for name, estimate in scores.items()
      if name.startswith(prefix)
    }
    parted = tuple(half[metric].value for half in halves)
    found.append(_Value(metric, higher, network, scores[metric], details, size, parted))
  return found


def _over_seeds(
  runs: list[dict[tuple[str, str], _Value]], key: tuple[str, str]
) -> tuple[float, ...]:
  """A score's values over those sampling seeds that could give it."""
  return tuple(run[key].estimate.value for run in runs if key in run)
