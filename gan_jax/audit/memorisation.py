"""Memorisation and privacy: are training images copied, and can they be told by the model?

Near-copies: an image is suspected where it is nearer to one training image, beside the next ones,
than all but a stated share of held-out real images are (`metrics.copies`, `metrics.conformal`), by
features and by pixels after alignment together. Membership: whether the discriminator, or the
distance to the nearest generated image, tells training images from held-out ones (0.5: it does
not). A patient on both sides of the split: held-out groups that are nearer to one training group
than training groups are to each other.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.audit import membership, views
from gan_jax.audit.copying import Detector, scores_of
from gan_jax.audit.result import Picture, Result, Sentence, Table, shown
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError
from gan_jax.metrics import conformal, copies, neighbours
from gan_jax.metrics.auc import auc
from gan_jax.metrics.estimate import Estimate, difference, from_share
from gan_jax.sampling.grid import grid

_IN_TABLE, _IN_PICTURE = 200, 24


class Settings(NamedTuple):
  """Of the audit.

  Attributes:
    false_alarms: share of unseen real images that would be called copies.
  """

  false_alarms: float = 0.01


def audit(subject: Subject, settings: Settings) -> Result:
  """Looks for copies, for membership, and for groups on both sides of the split."""
  detector = Detector(subject, settings.false_alarms)
  found, p = detector.generated()
  of_copies = _copies(subject, detector, found, p)
  of_membership = _membership(subject, detector)
  of_groups = _split(subject, detector)
  parts = [of_copies, of_membership, of_groups]
  return Result(
    'memorisation',
    'Memorisation and privacy',
    tuple(sentence for part in parts for sentence in part.sentences),
    {key: value for part in parts for key, value in part.numbers.items()},
    tuple(table for part in parts for table in part.tables),
    tuple(picture for part in parts for picture in part.pictures),
    {
      'views': [view.name for view in detector.views],
      'training_images': len(subject.train_rows),
      'calibrated_on': len(detector.units.rows),
      'unit': detector.units.kind,
      'false_alarms': detector.units.level,
      'suspected': np.flatnonzero(p <= detector.units.level).tolist(),
    },
  )


class _Part(NamedTuple):
  sentences: tuple[Sentence, ...]
  numbers: dict[str, Estimate]
  tables: tuple[Table, ...] = ()
  pictures: tuple[Picture, ...] = ()


def _copies(subject: Subject, detector: Detector, found: list[copies.Near], p: np.ndarray) -> _Part:
  level, units = detector.units.level, detector.units
  suspected = np.flatnonzero(p <= level)
  nearest = -scores_of(found)[suspected].max(axis=1)
  suspected = suspected[np.lexsort((nearest, p[suspected]))]
  rate, unseen = from_share(len(suspected), len(p)), conformal.rate(level, len(units.rows))
  excess = difference(rate, unseen)
  told = (
    f'{len(suspected):,} of {len(p):,} images are suspected copies of training images: '
    f'{shown(rate, percent=True)}; of unseen real images it would be {shown(unseen, percent=True)} '
    f'(calibrated on {len(units.rows):,} {units.kind})'
  )
  if excess.low > 0:
    sentences = [Sentence(f'{told}. That is more than chance: look at the pairs.', 'bad')]
  else:
    sentences = [Sentence(f'{told}. Copying is not shown beyond that.', 'good')]
  if units.caution:
    sentences.append(Sentence(f'{units.caution}.', 'unknown'))
  if len(subject.train_rows) < len(subject.train):
    sentences.append(
      Sentence(
        f'Compared with {len(subject.train_rows):,} of {len(subject.train):,} training images: '
        'copies of the others are not seen.',
        'unknown',
      )
    )
  numbers = {'copies': rate, 'copies_floor': unseen, 'copies_excess': excess}
  if not len(suspected):
    return _Part(tuple(sentences), numbers)
  by, rows = _pairs(detector, found, suspected)
  training = subject.train_rows[rows]
  groups = [''] * len(rows)
  if detector.groups is not None and detector.several:
    groups = detector.groups[rows].tolist()
    copied, there = len(set(groups)), len(np.unique(detector.groups))
    numbers['groups_copied'] = from_share(copied, there)
    sentences.append(
      Sentence(f'The pairs are of {copied:,} of {there:,} groups of training images (patients).')
    )
  table = [
    (f'{image}', f'{row}', group, detector.views[view].name, f'{p[image]:.3g}')
    for image, row, group, view in zip(suspected, training, groups, by, strict=True)
  ]
  headings = ('image', 'training image', 'group', 'by', 'p')
  shown_now = suspected[:_IN_PICTURE], training[:_IN_PICTURE]
  pairs = np.stack(
    [subject.images[shown_now[0]], subject.train.fetch(shown_now[1])['image']], axis=1
  )
  title = 'Suspected pairs, the most suspicious first: a generated image, then the training image'
  return _Part(
    tuple(sentences),
    numbers,
    (Table('Suspected pairs', headings, tuple(table[:_IN_TABLE])),),
    (Picture(title, grid(pairs.reshape(-1, *pairs.shape[2:]), 8)),),
  )


def _pairs(
  detector: Detector, found: list[copies.Near], suspected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Of each suspected image the view that finds it strangest, and the training image there."""
  known, scores = detector.calibration, scores_of(found)[suspected]
  alone = [conformal.p_values(scores[:, view], known[:, view]) for view in range(len(found))]
  # Of views that are equally sure the one to which the pair is nearest.
  view = np.lexsort((-scores.T, np.stack(alone)), axis=0)[0]
  return view, np.stack([near.rows for near in found])[view, suspected]


def _membership(subject: Subject, detector: Detector) -> _Part:
  """Whether training images can be told from held-out ones, by each way of trying."""
  kept = ~detector.in_both
  held = subject.holdout.groups(subject.holdout_rows)
  groups = (
    (None, None) if detector.groups is None or held is None else (detector.groups, held[kept])
  )
  ways: dict[str, tuple[np.ndarray, np.ndarray]] = {}
  sentences: list[Sentence] = []
  if subject.run is not None:
    try:
      logits = membership.logits(subject)
      ways['discriminator'] = logits[0], logits[1][kept]
    except UserError as error:
      sentences.append(Sentence(f'Membership by the discriminator: {error}', 'unknown'))
  for view in detector.views:
    if not view.learnt:
      own, other, fakes = (each.pooled for each in view.found)
      if view.name == views.PIXELS:
        near = [copies.near_aligned(x, fakes).distances for x in (own, other)]
      else:
        near = [neighbours.nearest(x, fakes)[1] for x in (own, other)]
      ways[f'distance_{view.name}'] = -near[0], -near[1][kept]
  numbers = {}
  for way, (own, other) in ways.items():
    try:
      area = numbers[f'membership_{way}'] = auc(own, other, *groups)
    except UserError as error:
      sentences.append(Sentence(f'Membership by {way}: {error}.', 'unknown'))
      continue
    by = (
      'the discriminator'
      if way == 'discriminator'
      else (f'the distance to the nearest generated image ({way.removeprefix("distance_")})')
    )
    told = f'Training images are told from held-out ones by {by} with an AUC of {shown(area)}'
    if area.low > 0.5:
      who = 'whoever has the discriminator' if way == 'discriminator' else 'whoever has samples'
      sentences.append(Sentence(f'{told}: {who} can tell something of who was in the data.', 'bad'))
    else:
      sentences.append(Sentence(f'{told}; 0.5 is chance, and is not excluded.', 'good'))
  return _Part(tuple(sentences), numbers)


def _split(subject: Subject, detector: Detector) -> _Part:
  """Whether what should be on one side of the split is on both."""
  sentences: list[Sentence] = []
  tables: list[Table] = []
  copies_held = int(detector.in_both.sum())
  count = len(detector.in_both)
  numbers = {'held_out_in_training': from_share(copies_held, count)}
  if copies_held:
    sentences.append(
      Sentence(
        f'{copies_held:,} of {count:,} held-out images are in the training data as well, but for '
        'shift, mirroring and brightness: left out of all calibration here.',
        'bad',
      )
    )
  own, held = detector.groups, subject.holdout.groups(subject.holdout_rows)
  if own is None or held is None:
    return _Part(tuple(sentences), numbers)
  if shared := sorted(set(own) & set(held)):
    names = ', '.join(map(str, shared[:5]))
    text = f'{len(shared):,} groups are on both sides of the split, such as {names}.'
    sentences.append(Sentence(text, 'bad'))
  if not detector.several:
    return _Part(tuple(sentences), numbers)
  groups, scores = _by_group(held, scores_of(detector.holdout))
  known, among = _by_group(own, detector.among_training())
  p = conformal.p_values(scores, among)
  level = max(detector.units.level, 1 / (len(known) + 1))
  near = np.flatnonzero(p <= level)
  expected = level * len(groups)
  told = (
    f'{len(near):,} of {len(groups):,} held-out groups are nearer to one training group than '
    f'{1 - level:.1%} of training groups are to others; by chance {expected:.2g} would be'
  )
  if len(near) > expected:
    rows = [
      (str(groups[g]), _nearest_group(detector, held == groups[g]), f'{p[g]:.3g}') for g in near
    ]
    headings = ('held-out group', 'nearest training group', 'p')
    title = 'Held-out groups that may be of somebody in the training data'
    tables.append(Table(title, headings, tuple(rows)))
    sentences.append(Sentence(f'{told}: one patient under two names would look so.', 'bad'))
  else:
    sentences.append(Sentence(f'{told}.', 'good'))
  return _Part(tuple(sentences), numbers, tuple(tables))


def _by_group(groups: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Names of the groups, and the median scores `[G, V]` of their images."""
  names = np.unique(groups)
  return names, np.stack([np.median(scores[groups == name], axis=0) for name in names])


def _nearest_group(detector: Detector, which: np.ndarray) -> str:
  """The training group that most images of a held-out group are nearest to, by pixels."""
  assert detector.groups is not None
  found, counts = np.unique(detector.groups[detector.holdout[0].rows[which]], return_counts=True)
  return str(found[counts.argmax()])
