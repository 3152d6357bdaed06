"""Bias: how often each group is drawn, beside the data and a target, and how well.

Shares of generated images are adjusted for the errors of the predictor that sorts them, and their
intervals hold these errors, see `adjusted`.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from gan_jax.ablation.statistics import holm
from gan_jax.audit import adjusted, groups, mitigation, quality, target
from gan_jax.audit.groups import CLASS, Grouping
from gan_jax.audit.predictor import Predictor, Predictors, Said
from gan_jax.audit.result import Mark, Picture, Result, Sentence, Table, shown
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError
from gan_jax.metrics.estimate import LEVEL, QUANTILE, Estimate
from gan_jax.sampling.grid import grid

_FAR = 0.8  # a share below so much of the wanted one, or above its inverse, is told as a fault
_HARDLY = 0.2  # a share that is surely below so much of the data's is told as hardly drawn
_UNSURE = 0.1  # generated images of which the predictor is unsure; one in twenty held-out ones are
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


class Shares(NamedTuple):
  """What was found of one grouping.

  Attributes:
    predictor: that sorted the images.
    said: what it said of the generated images.
    found: adjusted shares.
    wanted: the target's shares, or None.
    p: that a share differs from the wanted or, without target, the data's, after Holm, `[K]`.
  """

  predictor: Predictor
  said: Said
  found: adjusted.Adjusted
  wanted: np.ndarray | None
  p: np.ndarray


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
    one = of_grouping(predictor, predictor.say(subject.images), targets)
    if isinstance(one, Sentence):
      sentences.append(one)
      continue
    scores, size = _quality(subject, one) if not grouping.parts else ([], 0)
    sentences += _sentences(one, scores)
    numbers |= _numbers(one, scores)
    tables.append(_table(one, scores, size))
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


def of_grouping(predictor: Predictor, said: Said, targets: target.Targets) -> Shares | Sentence:
  """Adjusted shares of what a predictor said; a sentence where it cannot tell the categories."""
  grouping = predictor.grouping
  counts = np.bincount(said.category, minlength=len(grouping.categories))
  wanted = target.shares_of(grouping, targets)
  try:
    found = adjusted.shares(counts, predictor.confusion)
  except np.linalg.LinAlgError as error:
    return Sentence(
      f'{grouping.name}: cannot be told: {error}; it is right of {predictor.accuracy:.0%} of '
      f'{int(predictor.confusion.sum()):,} held-out images',
      'unknown',
    )
  beside = grouping.data_shares if wanted is None else wanted
  z = adjusted.statistic(counts, predictor.confusion, np.arange(len(beside)), beside)
  p = np.array(holm(list(2 * stats.norm.sf(np.abs(z)))))
  return Shares(predictor, said, found, wanted, p)


def _mitigated(subject: Subject, before: Shares, targets: target.Targets) -> Result:
  """Samples to the target, looks again, and says what it costs in distance to the data."""
  predictor = before.predictor
  grouping = predictor.grouping
  sampled = mitigation.to_target(subject, predictor, before.found.shares, before.wanted)
  after = of_grouping(predictor.kept(sampled.weights), predictor.say(sampled.images), targets)
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
  table = _table(after, [], 0)
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
      **{f'{prefix}/{key}': value for key, value in _numbers(after, []).items()},
      f'{prefix}/mmd_before': distance[0],
      f'{prefix}/mmd_after': distance[1],
    },
    (table._replace(title=f'Sampled to the target: {table.title}'),),
  )


def _sentences(one: Shares, scores: list[quality.Quality]) -> list[Sentence]:
  grouping = one.predictor.grouping
  beside = grouping.data_shares if one.wanted is None else one.wanted
  what = 'of the data' if one.wanted is None else 'wanted'
  sentences = []
  small = []
  for place, name in enumerate(grouping.categories):
    estimate, share = one.found.estimates[place], float(beside[place])
    if one.p[place] > 1 - LEVEL:
      continue
    says = f'{shown(estimate, percent=True)}, {100 * share:.3g} % {what}'
    if estimate.high < _HARDLY * share:
      sentences.append(Sentence(f'{grouping.name} {name} is hardly ever drawn: {says}', 'bad'))
    elif estimate.value < _FAR * share:
      sentences.append(Sentence(f'{grouping.name} {name} is drawn too rarely: {says}', 'bad'))
    elif estimate.value > share / _FAR:
      sentences.append(Sentence(f'{grouping.name} {name} is drawn too often: {says}', 'bad'))
    else:
      small.append(f'{name} {says}')
  if small:
    sentences.append(
      Sentence(f'{grouping.name}: shown to differ, by less than a fifth: {"; ".join(small)}')
    )
  if not sentences:
    widest = max(each.high - each.low for each in one.found.estimates) / 2
    sentences.append(
      Sentence(
        f'{grouping.name}: no share is shown to differ from that {what}; shares are known to '
        f'{100 * widest:.2g} points or better',
        'good',
      )
    )
  for place in quality.worse(scores):
    own = scores[place]
    assert own.distance is not None
    assert own.recall is not None
    sentences.append(
      Sentence(
        f'{grouping.name} {grouping.categories[place]} is drawn worse than the others: kernel '
        f'distance {shown(own.distance)}, recall {shown(own.recall)}',
        'bad',
      )
    )
  return sentences + _doubts(one)


def _doubts(one: Shares) -> list[Sentence]:
  """What speaks against the predictor erring on these images as on the held-out ones."""
  grouping, predictor = one.predictor.grouping, one.predictor
  sentences = []
  unsure = float(np.mean(one.said.sure < predictor.least_sure))
  if unsure > _UNSURE:
    sentences.append(
      Sentence(
        f'{grouping.name}: of {unsure:.0%} of the images the predictor is less sure than of 95 % '
        'of the held-out real ones: they may be of no group at all, and their share is a guess',
        'unknown',
      )
    )
  counts = np.bincount(one.said.category, minlength=len(grouping.categories))
  places = np.flatnonzero(one.found.shares < 0)
  if not len(places):
    return sentences
  z = adjusted.statistic(counts, predictor.confusion, places, np.zeros(len(places)))
  if float(z.min()) < -QUANTILE - 1:
    names = ', '.join(grouping.categories[place] for place in places[z < -QUANTILE - 1])
    sentences.append(
      Sentence(
        f'{grouping.name}: the predictor says {names} less often than its errors on held-out '
        'images would give alone: it errs otherwise on these images, and the shares are uncertain',
        'unknown',
      )
    )
  return sentences


def _numbers(one: Shares, scores: list[quality.Quality]) -> dict[str, Estimate]:
  grouping = one.predictor.grouping
  numbers = {}
  for name, estimate in zip(grouping.categories, one.found.estimates, strict=True):
    numbers[f'share/{grouping.name}/{name}'] = estimate
  for name, own in zip(grouping.categories, scores, strict=False):
    of_group = {'mmd': own.distance, 'recall': own.recall, 'nearest_ratio': own.ratio}
    for score, found in of_group.items():
      if found is not None:
        numbers[f'{score}/{grouping.name}/{name}'] = found
  return numbers


def _table(one: Shares, scores: list[quality.Quality], size: int) -> Table:
  grouping, predictor = one.predictor.grouping, one.predictor
  data = grouping.data_shares
  recalls = predictor.confusion.diagonal() / predictor.confusion.sum(axis=0)
  headings = ['', 'share of the images, %', '', 'of the data, %']
  headings += ['wanted, %'] if one.wanted is not None else []
  headings += ['p', 'recognised of held-out']
  if scores:
    headings += [f'kernel distance (N={size})', 'of held-out', 'recall', 'nearest ratio']
  rows, bad, marks = [], set(quality.worse(scores)), []
  for place, name in enumerate(grouping.categories):
    estimate = one.found.estimates[place]
    beside = float(data[place] if one.wanted is None else one.wanted[place])
    row = [name, shown(estimate, percent=True).replace(' %', ''), '', f'{100 * data[place]:.3g}']
    row += [f'{100 * one.wanted[place]:.3g}'] if one.wanted is not None else []
    row += [f'{one.p[place]:.2g}', f'{100 * recalls[place]:.3g} %']
    if scores:
      own = scores[place]
      row += [
        f'too few: {own.generated}'
        if each is None and k == 0
        else '–'
        if each is None
        else shown(each)
        for k, each in enumerate((own.distance, own.floor, own.recall, own.ratio))
      ]
    rows.append(tuple(row))
    marks.append(Mark(*estimate, beside))
    far = not _FAR * beside <= estimate.value <= beside / _FAR
    if one.p[place] <= 1 - LEVEL and far:
      bad.add(place)
  held = int(predictor.confusion.sum())
  title = (
    f'{grouping.name}: shares, adjusted for a predictor that is right of '
    f'{100 * predictor.accuracy:.3g} % of {held:,} held-out images'
  )
  return Table(title, tuple(headings), tuple(rows), frozenset(bad), tuple(marks), 2)


def _quality(subject: Subject, one: Shares) -> tuple[list[quality.Quality], int]:
  grouping = one.predictor.grouping
  features = subject.features_of(subject.features[0])
  generated = one.said.category
  if grouping.name == CLASS and subject.labels is not None:
    # As asked for: an image that is nothing like its class is that class drawn badly.
    numbers = {name: place for place, name in enumerate(grouping.categories)}
    rest = numbers.get(groups.OTHERS, -1)
    of_class = np.array([numbers.get(name, rest) for name in subject.class_names])
    generated = of_class[subject.labels]
  return quality.of_groups(
    (features.train.pooled, grouping.train[subject.train_rows]),
    (features.holdout.pooled, grouping.holdout[subject.holdout_rows]),
    (features.generated.pooled, generated),
    len(grouping.categories),
  )


def _picture(subject: Subject, one: Shares) -> Picture:
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
