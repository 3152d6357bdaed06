"""Adjusted shares of a grouping: what they say, in sentences, numbers and a table."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from gan_jax.ablation.statistics import holm
from gan_jax.audit import adjusted, quality, target
from gan_jax.audit.predictor import Predictor, Said
from gan_jax.audit.result import Mark, Sentence, Table, shown
from gan_jax.metrics.estimate import LEVEL, QUANTILE, Estimate

_FAR = 0.8  # a share below so much of the wanted one, or above its inverse, is told as a fault
_HARDLY = 0.2  # a share that is surely below so much of the data's is told as hardly drawn
_UNSURE = 0.1  # generated images of which the predictor is unsure; one in twenty held-out ones are


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


def of_grouping(predictor: Predictor, said: Said, targets: target.Targets) -> Shares | Sentence:
  """Adjusted shares of what a predictor said.

  Categories that it is not shown to tell apart are taken for one, two at a time, until the others
  are told apart; a sentence where none are.
  """
  wanted = target.shares_of(predictor.sorts, targets)
  while True:
    grouping = predictor.grouping
    counts = np.bincount(said.category, minlength=len(grouping.categories))
    try:
      found = adjusted.shares(counts, predictor.confusion)
      break
    except adjusted.NotToldApartError as error:
      if len(grouping.categories) == 2:
        return _cannot_be_told(predictor)
      predictor, into = predictor.merged(*error.nearest)
      said = said._replace(category=into[said.category])
  if wanted is not None:
    wanted = np.bincount(predictor.into, wanted)
  beside = grouping.data_shares if wanted is None else wanted
  z = adjusted.statistic(counts, predictor.confusion, np.arange(len(beside)), beside)
  p = np.array(holm(list(2 * stats.norm.sf(np.abs(z)))))
  return Shares(predictor, said, found, wanted, p)


def _cannot_be_told(predictor: Predictor) -> Sentence:
  held, names = int(predictor.confusion.sum()), ', '.join(predictor.sorts.categories)
  return Sentence(
    f'{predictor.grouping.name}: cannot be told: the predictor is not shown to tell any of {names} '
    f'from the others; it is right of {predictor.accuracy:.0%} of {held:,} held-out images',
    'unknown',
  )


def sentences(one: Shares, scores: list[quality.Quality]) -> list[Sentence]:
  """What the shares, and the scores of each category (or none), say in words."""
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
  """What is not told apart, and what speaks against errors as those on the held-out images."""
  grouping, predictor = one.predictor.grouping, one.predictor
  sentences = [
    Sentence(
      f'{grouping.name}: {", ".join(names)} are counted as one: the predictor is not shown to tell '
      'them apart, and their errors are taken to be those on held-out images of them all',
      'unknown',
    )
    for names in grouping.names
    if len(names) > 1
  ]
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


def numbers(one: Shares, scores: list[quality.Quality]) -> dict[str, Estimate]:
  """By key, `share/<grouping>/<category>` and the scores likewise."""
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


def table(one: Shares, scores: list[quality.Quality], size: int) -> Table:
  """A row a category; `size` is the number of images that each one's scores are of."""
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
