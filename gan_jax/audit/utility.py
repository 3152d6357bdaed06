"""Usefulness: does training on generated images help a classifier, beyond what is free?

Classifiers are trained on real images, on these oversampled by class (and mirrored, where the data
allow it), on those with a share of generated images in each batch, and on generated images alone,
and tried on held-out real images. All have the same number of updates, seeds and distortions.
"""

import time
from typing import NamedTuple

import numpy as np

from gan_jax.ablation.statistics import holm, mean
from gan_jax.audit import paired
from gan_jax.audit.learner import Learner, Mixture, Pool, calibration_error
from gan_jax.audit.result import Result, Sentence, Table, shown
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError, nearest
from gan_jax.features import classifier
from gan_jax.metrics.estimate import LEVEL, Estimate
from gan_jax.text import say

# As `metrics.cas`: a quarter of the images of the classifier's own recipe, at twice the rate.
RECIPE = classifier.RECIPE._replace(images=20_000, passes=0, learning_rate=4e-3)
_MOST_BYTES = 2**30  # of images held in memory
_TIMED, _TIMED_IMAGES = 5, 500  # updates and predictions that the time is foretold from
_LEAST_RARE = 10  # held-out images of the rare class
_EVEN = 0.8  # a rarest class that has so much of the mean is not rare

TITLE = 'Usefulness: what generated images add to training'


class Settings(NamedTuple):
  """What is asked for.

  Attributes:
    shares: of generated images in a batch, as texts or numbers between 0 and 1.
    seeds: of each training.
    rare: the class whose recall is looked at; '': the one with the fewest images.
  """

  shares: tuple[str | float, ...] = (0.1, 0.3, 0.5)
  seeds: int = 5
  rare: str = ''


class Tried(NamedTuple):
  """A mixture's classifiers on the held-out images.

  Attributes:
    mixture: what they were trained on.
    right: whether each image was recognised by each seed, `[S, I]`.
    calibration: expected calibration error of each seed, `[S]`.
  """

  mixture: Mixture
  right: np.ndarray
  calibration: np.ndarray


def audit(subject: Subject, settings: Settings, recipe: classifier.Recipe = RECIPE) -> Result:
  """Trains and compares classifiers; says before how long that takes.

  Raises:
    UserError: for shares or a class that cannot be.
  """
  shares = _shares(settings)
  if settings.seeds < 2:
    raise UserError(f'--seeds={settings.seeds}: accepted: at least 2')
  if subject.num_classes < 2:
    return _refused('the data have no two classes')
  if not subject.holdout.num_classes:
    return _refused('the held-out images have no classes')
  if subject.labels is None:
    return _refused('the generated images have no classes that were asked for')
  real = _pool(subject)
  rare = _rare(subject, settings, real)
  tested = _held_out(subject)
  if int(np.sum(tested.labels == rare)) < _LEAST_RARE:
    return _refused(
      f'{int(np.sum(tested.labels == rare))} held-out images of {subject.class_names[rare]}; '
      f'needed: {_LEAST_RARE}'
    )
  mirrored = subject.run is not None and bool(subject.run.config.dataset.flip)
  mixtures = _mixtures(shares, mirrored)
  learner = Learner(subject.num_classes, subject.train.shape, recipe)
  fakes = _fakes(subject, settings.seeds)
  _foretell(learner, mixtures, settings.seeds, real, fakes[0], tested)
  tried = _try(subject, learner, mixtures, real, fakes, tested)
  return _result(subject, tried, tested, rare, settings)


def _shares(settings: Settings) -> list[float]:
  found = []
  for each in settings.shares:
    try:
      share = float(each)
    except ValueError:
      share = -1.0
    if not 0 < share < 1:
      raise UserError(f'--shares={each}: accepted: numbers between 0 and 1')
    found.append(share)
  return sorted(set(found))


def _mixtures(shares: list[float], mirrored: bool) -> list[Mixture]:
  free = 'oversampled' + (' and mirrored' if mirrored else '')
  return [
    Mixture('reals'),
    Mixture(f'reals, {free}', 0.0, True, mirrored),
    *(Mixture(f'reals, {free}, {share:.0%} generated', share, True, mirrored) for share in shares),
    Mixture(f'reals, {shares[-1]:.0%} generated', shares[-1]),
    Mixture('generated alone', 1.0, False, mirrored),
  ]


def _pool(subject: Subject) -> Pool:
  rows = np.arange(len(subject.train))
  most = max(1, _MOST_BYTES // (int(np.prod(subject.train.shape)) * subject.train.dtype.itemsize))
  if len(rows) > most:
    rows = np.sort(np.random.default_rng(subject.seed).choice(rows, most, replace=False))
  batch = subject.train.fetch(rows)
  return Pool(batch['image'], batch['label'])


def _held_out(subject: Subject) -> Pool:
  batch = subject.holdout.fetch(subject.holdout_rows)
  return Pool(batch['image'], batch['label'])


def _fakes(subject: Subject, seeds: int) -> list[Pool]:
  """Generated images for each seed: classes alike often, drawn anew; of a folder, all its own."""
  assert subject.labels is not None
  if subject.run is None:
    return [Pool(np.asarray(subject.images), subject.labels)] * seeds
  labels = (np.arange(len(subject)) % subject.num_classes).astype(np.int32)
  pools = []
  for seed in range(seeds):
    subject.watch('utility: drawing images', seed, seeds)
    pools.append(Pool(subject.draw(labels, subject.seed + 10 + seed), labels))
  return pools


def _rare(subject: Subject, settings: Settings, real: Pool) -> int:
  if settings.rare:
    if settings.rare not in subject.class_names:
      raise UserError(f'--rare={settings.rare}: {nearest(settings.rare, subject.class_names)}')
    return subject.class_names.index(settings.rare)
  counts = np.bincount(real.labels, minlength=subject.num_classes)
  present = np.flatnonzero(counts)
  return int(present[counts[present].argmin()])


def _foretell(
  learner: Learner, mixtures: list[Mixture], seeds: int, real: Pool, fake: Pool, tested: Pool
) -> None:
  """Says how long it takes, by some updates and predictions that are thrown away."""
  some = tested.images[:_TIMED_IMAGES]
  learner.probabilities(learner.learn(mixtures[0], real, fake, 0, 1), some)  # compiles
  began = time.monotonic()
  params = learner.learn(mixtures[1], real, fake, 0, _TIMED)
  learned = time.monotonic()
  learner.probabilities(params, some)
  count = len(mixtures) * seeds
  one = (learned - began) / _TIMED * learner.updates
  one += (time.monotonic() - learned) / len(some) * len(tested.images)
  seconds = one * count
  say(
    f'utility: {count} trainings of {learner.updates:,} updates, about {seconds / 60:.1f} minutes'
  )


def _try(
  subject: Subject,
  learner: Learner,
  mixtures: list[Mixture],
  real: Pool,
  fakes: list[Pool],
  tested: Pool,
) -> list[Tried]:
  tried = []
  for number, mixture in enumerate(mixtures):
    right, calibration = [], []
    for seed, fake in enumerate(fakes):
      subject.watch('utility: training', number * len(fakes) + seed, len(mixtures) * len(fakes))
      params = learner.learn(mixture, real, fake, seed)
      probabilities = learner.probabilities(params, tested.images)
      right.append(probabilities.argmax(axis=1) == tested.labels)
      calibration.append(calibration_error(probabilities, tested.labels))
    tried.append(Tried(mixture, np.array(right), np.array(calibration)))
  return tried


def weights(labels: np.ndarray, rare: int) -> dict[str, np.ndarray]:
  """What each held-out image counts in each score, `[I]`: scores are weighted sums of hits."""
  classes, counts = np.unique(labels, return_counts=True)
  size = dict(zip(classes.tolist(), counts.tolist(), strict=True))
  of_class = np.array([size[label] for label in labels.tolist()], float)
  return {
    'rare_recall': (labels == rare) / size[rare],
    'macro_accuracy': 1 / of_class / len(classes),
  }


def _result(
  subject: Subject, tried: list[Tried], tested: Pool, rare: int, settings: Settings
) -> Result:
  free = tried[1]
  name = subject.class_names[rare]
  titles = {'rare_recall': f'recall of {name}', 'macro_accuracy': 'macro accuracy'}
  added = [
    each for each in tried if each.mixture.oversampled and each.mixture.fakes
  ]  # to what is free
  numbers: dict[str, Estimate] = {}
  rows: dict[str, list[str]] = {each.mixture.name: [each.mixture.name] for each in tried}
  sentences: list[Sentence] = []
  for score, weight in weights(tested.labels, rare).items():
    found = {}
    for each in tried:
      key = _key(each.mixture)
      numbers[f'{score}/{key}'] = mean(each.right @ weight)
      rows[each.mixture.name].append(shown(numbers[f'{score}/{key}'], percent=True))
      if each is not free:
        found[key] = paired.difference(each.right, free.right, weight, tested.labels)
        numbers[f'{score}_gain/{key}'] = found[key][0]
      rows[each.mixture.name].append('' if each is free else _points(found[key][0]))
    keys = [_key(each.mixture) for each in added]
    p = holm([found[key][1] for key in keys])
    for each, key, corrected in zip(added, keys, p, strict=True):
      sentences.append(_verdict(titles[score], each.mixture, found[key][0], corrected))
  for each in tried:
    numbers[f'calibration_error/{_key(each.mixture)}'] = estimate = mean(each.calibration)
    rows[each.mixture.name].append(shown(estimate, percent=True))
  headings = ['trained on']
  for title in titles.values():
    headings += [title, 'beyond what is free, points']
  counts = np.bincount(subject.train.labels(np.arange(len(subject.train))))
  if counts[rare] > _EVEN * counts[counts > 0].mean():
    sentences.append(
      Sentence(f'No class is rare: {name}, of the fewest, has {counts[rare]:,} images')
    )
  sentences.append(
    Sentence(
      f'{len(free.right)} seeds, {len(tested.labels):,} held-out images, '
      f'{int(np.sum(tested.labels == rare)):,} of them {name}; intervals of differences hold both '
      'other seeds and other held-out images, those of calibration other seeds alone'
    )
  )
  return Result(
    'utility',
    TITLE,
    tuple(sentences),
    numbers,
    (
      Table(
        'Classifiers on held-out real images',
        (*headings, 'calibration error'),
        tuple(map(tuple, rows.values())),
      ),
    ),
    about={
      'seeds': len(free.right),
      'shares': [float(each) for each in settings.shares],
      'rare': name,
      'images': [len(subject.train), len(subject), len(tested.labels)],
    },
  )


def _verdict(title: str, mixture: Mixture, gain: Estimate, p: float) -> Sentence:
  beyond = (
    f'{mixture.fakes:.0%} generated images beyond what is free: {title} {_points(gain)} points'
  )
  if p <= 1 - LEVEL and gain.low > 0:
    return Sentence(f'{beyond}: they help', 'good')
  if p <= 1 - LEVEL and gain.high < 0:
    return Sentence(f'{beyond}: they harm', 'bad')
  if gain.low > 0 or gain.high < 0:
    return Sentence(f'{beyond}: not shown, as several shares were tried (p {p:.2g})', 'unknown')
  return Sentence(f'{beyond}: the interval holds 0, so nothing is concluded', 'unknown')


def _points(gain: Estimate) -> str:
  return '{:+.2f} ({:+.2f} to {:+.2f})'.format(*(100 * each for each in gain))


def _key(mixture: Mixture) -> str:
  free = '_free' if mixture.oversampled else ''
  if mixture.fakes == 1:
    return 'fakes'
  return f'reals{free}' + (f'_fakes{100 * mixture.fakes:g}' if mixture.fakes else '')


def _refused(reason: str) -> Result:
  return Result('utility', TITLE, (Sentence(f'Cannot be told: {reason}', 'unknown'),))
