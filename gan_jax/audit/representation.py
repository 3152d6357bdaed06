"""Bias: how often each group is drawn, beside the data and a target, and how well.

Shares of generated images are adjusted for the errors of the predictor that sorts them, and their
intervals hold these errors, see `adjusted`.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.audit import groups, mitigation, quality, shares, target
from gan_jax.audit.groups import CLASS, Grouping
from gan_jax.audit.predictor import Predictors
from gan_jax.audit.result import Picture, Result, Sentence, Table, shown
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError
from gan_jax.metrics.estimate import LEVEL, Estimate
from gan_jax.sampling.grid import grid

_SHOWN, _MOST_ROWS = 8, 12  # images of a group in the picture; groups


class Settings(NamedTuple):
  """What is asked for.

  Attributes:
    attributes: `class` and attributes that are looked at; None: all.
    target: shares that there should be, as `target.parse` reads them; '': none.
    mitigate: sample to the target, and look again.
  """

  attributes: tuple[str, ...] | None = None
  target: str = ''
  mitigate: bool = False


def audit(subject: Subject, settings: Settings) -> Result:
  """Looks at every grouping, and at mitigation where it is asked for.

  Raises:
    UserError: for attributes or a target that there are not.
  """
  targets = target.parse(settings.target) if settings.target else {}
  if settings.mitigate and len(targets) != 1:
    raise UserError(f'--mitigate: {len(targets)} targets; accepted: one --target=ATTRIBUTE=...')
  groupings, refused = groups.of_subject(subject, settings.attributes)
  target.check(targets, groupings, [each.name for each in refused])
  predictors = Predictors(subject, groupings)
  sentences: list[Sentence] = []
  numbers: dict[str, Estimate] = {}
  tables: list[Table] = []
  pictures: list[Picture] = []
  about: dict[str, object] = {}
  for grouping in groupings:
    subject.watch(f'representation: {grouping.name}', 0, 0)
    predictor = predictors.of(grouping)
    about[grouping.name] = {
      'accuracy': predictor.accuracy,
      'held_out': int(predictor.confusion.sum()),
      'confusion': predictor.confusion.tolist(),
    }
    one = shares.of_grouping(predictor, predictor.say(subject.images), targets)
    if isinstance(one, Sentence):
      sentences.append(one)
      continue
    scores, size = _quality(subject, one) if not grouping.parts else ([], 0)
    sentences += shares.sentences(one, scores)
    numbers |= shares.numbers(one, scores)
    tables.append(shares.table(one, scores, size))
    if grouping.name == CLASS or (not grouping.parts and not pictures):
      pictures.append(_picture(subject, one))
    if settings.mitigate and grouping.name in targets:
      again = _mitigated(subject, one, targets)
      sentences += again.sentences
      numbers |= again.numbers
      tables += again.tables
  if subject.conditional and any(each.name == CLASS for each in groupings):
    sentences.append(
      Sentence(
        'Classes were asked for as often as the data have them: their shares show what the model '
        'makes of what it is asked for, not what it would draw by itself'
      )
    )
  if not groupings:
    sentences.append(
      Sentence('Nothing can be told of bias: the data have no classes and no attributes', 'unknown')
    )
  sentences += [Sentence(f'{one.name}: cannot be told: {one.reason}', 'unknown') for one in refused]
  order = {'bad': 0, 'good': 1, 'note': 2, 'unknown': 3}
  sentences.sort(key=lambda sentence: order[sentence.level])
  return Result(
    'representation',
    'Representation: who and what is drawn, how often and how well',
    tuple(sentences),
    numbers,
    tuple(tables),
    tuple(pictures),
    about,
  )


def _mitigated(subject: Subject, before: shares.Shares, targets: target.Targets) -> Result:
  """Samples to the target, looks again, and says what it costs in distance to the data."""
  predictor = before.predictor
  grouping = predictor.grouping
  sampled = mitigation.to_target(subject, predictor, before.wanted)
  after = shares.of_grouping(
    predictor.kept(sampled.weights), predictor.say(sampled.images), targets
  )
  if isinstance(after, Sentence):
    return Result('representation', '', (after,))
  assert before.wanted is not None
  distance = mitigation.distances(subject, sampled.images)
  outside = [name for name, p in zip(grouping.categories, after.p, strict=True) if p <= 1 - LEVEL]
  way = (
    'asking for classes'
    if sampled.weights is None
    else f'keeping {len(sampled.images) / sampled.drawn:.1%} of {sampled.drawn:,} images drawn'
  )
  cost = f'kernel distance to the data {shown(distance[0])} before, {shown(distance[1])} after'
  reached = (
    'no share is shown to differ from the target'
    if not outside
    else f'still shown to differ from the target: {", ".join(outside)}'
  )
  prefix = f'to_target/{grouping.name}'
  table = shares.table(after, [], 0)
  return Result(
    'representation',
    '',
    (
      Sentence(
        f'{len(sampled.images):,} images sampled to the target of {grouping.name}, {way}: '
        f'{reached}; {cost}',
        'bad' if outside else 'good',
      ),
    ),
    {
      **{f'{prefix}/{key}': value for key, value in shares.numbers(after, []).items()},
      f'{prefix}/mmd_before': distance[0],
      f'{prefix}/mmd_after': distance[1],
    },
    (table._replace(title=f'Sampled to the target: {table.title}'),),
  )


def _quality(subject: Subject, one: shares.Shares) -> tuple[list[quality.Quality], int]:
  grouping = one.predictor.grouping
  features = subject.features_of(subject.features[0])
  generated = one.said.category
  if grouping.name == CLASS and subject.labels is not None:
    # As asked for: an image that is nothing like its class is that class drawn badly.
    numbers = {name: place for place, names in enumerate(grouping.names) for name in names}
    rest = numbers.get(groups.OTHERS, -1)
    of_class = np.array([numbers.get(name, rest) for name in subject.class_names])
    generated = of_class[subject.labels]
  return quality.of_groups(
    (features.train.pooled, grouping.train[subject.train_rows]),
    (features.holdout.pooled, grouping.holdout[subject.holdout_rows]),
    (features.generated.pooled, generated),
    len(grouping.categories),
  )


def _picture(subject: Subject, one: shares.Shares) -> Picture:
  """Rows of groups, the largest first: real images left, generated ones right."""
  grouping: Grouping = one.predictor.grouping
  order = np.argsort(-grouping.data_shares, kind='stable')[:_MOST_ROWS]
  rows = []
  for place in order:
    real = np.flatnonzero(grouping.train == place)[:_SHOWN]
    fake = np.flatnonzero(one.said.category == place)[:_SHOWN]
    images = [subject.train.fetch(real)['image'], np.asarray(subject.images[fake])]
    blank = lambda count: np.zeros((count, *subject.train.shape), subject.train.dtype)
    padded = [np.concatenate([each, blank(_SHOWN - len(each))]) for each in images]
    rows.append(np.concatenate([padded[0], blank(1), padded[1]]))
  names = ', '.join(grouping.categories[place] for place in order)
  return Picture(
    f'{grouping.name}, a row each of {names}: real images left, generated ones right, as sorted by '
    'the predictor',
    grid(np.concatenate(rows), 2 * _SHOWN + 1),
  )
