"""Scope: what a model can be asked, and which images are of what it knows.

An image has a p-value by how it correlates with the training image that it correlates with best, by
a feature network and by pixels, among held-out images (`metrics.conformal`): of images from where
the data are from, a share p has one of at most p. What the data lack, or hold a few times, cannot
be asked for.

That features are compared by direction is Sun et al.'s (2022, ICML, Out-of-distribution detection
with deep nearest neighbors, Sec. 3). Which neighbour, and that pixels are one of the views, was
measured: README.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.audit import views
from gan_jax.audit.result import Picture, Result, Sentence, Table, shown
from gan_jax.audit.subject import Subject
from gan_jax.metrics import conformal, neighbours
from gan_jax.metrics.estimate import difference, from_share
from gan_jax.sampling.grid import grid

LEAST = 10  # images of what may be asked for
_LEAST_SPREAD = 1e-6  # of features, for an image of one colour: it correlates with nothing
_IN_PICTURE = 24
_VALUES = 50  # of an attribute, above which it is a name or a number and no category


class Settings(NamedTuple):
  """Of the audit.

  Attributes:
    keep_within: share of real images that counts as outside.
    least: images that the data must hold of what may be asked for.
  """

  keep_within: float = 0.05
  least: int = LEAST


class Outside:
  """Tells images that are not from where the data are from, calibrated on held-out ones.

  Attributes:
    views: feature spaces.
    units: held-out images that it is calibrated on.
  """

  def __init__(self, subject: Subject, level: float):
    """Compares held-out images with the training images.

    Raises:
      UserError: for a level that is none, or no held-out images.
    """
    self.views = views.of_content(subject)
    self._known = [_directions(view.found.train.pooled) for view in self.views]
    self.units = views.units(subject, level)
    self._calibration = self._scores([v.found.holdout.pooled for v in self.views])[self.units.rows]

  def generated(self) -> np.ndarray:
    """P-values `[N]` of the subject's images."""
    return self._p_values([view.found.generated.pooled for view in self.views])

  def p_values(self, images: np.ndarray) -> np.ndarray:
    """P-values `[N]` of images `[N, H, W, C]` as the data's are: small for foreign ones."""
    return self._p_values([view.see(images) for view in self.views])

  def nearest(self, rows: np.ndarray) -> np.ndarray:
    """Of some of the subject's images `[n]` the rows of the training images next to them.

    By the first view, as rows of `Subject.train_rows`.
    """
    edges = self.views[0].found.generated.pooled[rows]
    found, _ = neighbours.nearest(_directions(edges), self._known[0])
    return found

  def _p_values(self, seen: list[np.ndarray]) -> np.ndarray:
    return conformal.p_values(self._scores(seen), self._calibration)

  def _scores(self, seen: list[np.ndarray]) -> np.ndarray:
    pairs = zip(seen, self._known, strict=True)
    near = [neighbours.kth(_directions(x), known, 1) for x, known in pairs]
    return np.stack(near, axis=1)


def _directions(features: np.ndarray) -> np.ndarray:
  """Features `[N, D]` whose squared distances are 2 − 2 r, with r the correlation of two images."""
  centred = features - features.mean(axis=1, keepdims=True)
  lengths = np.linalg.norm(centred, axis=1, keepdims=True)
  return centred / np.maximum(lengths, _LEAST_SPREAD)


def outside(images: np.ndarray, subject: Subject, level: float = 0.05) -> np.ndarray:
  """P-values `[N]` of images `[N, H, W, C]`: of being from where a subject's data are from.

  Args:
    images: of the size and kind of the data.
    subject: whose data.
    level: rate of false alarms that the held-out images have to tell: one of each group calibrates
      where these are enough for it, else all.

  Raises:
    UserError: where the subject has no held-out images.
  """
  return Outside(subject, level).p_values(images)


def audit(subject: Subject, settings: Settings) -> Result:
  """Says what can be asked for, and how many images are outside of what was learnt."""
  detector = Outside(subject, settings.keep_within)
  p, level, units = detector.generated(), detector.units.level, detector.units
  out = from_share(int(np.sum(p <= level)), len(p))
  expected = conformal.rate(level, len(units.rows))
  more = difference(out, expected)
  by = ' and '.join(each.name for each in detector.views)
  told = (
    f'{shown(out, percent=True)} of the images are outside of what real images are; of unseen real '
    f'images it would be {shown(expected, percent=True)} (calibrated on {len(units.rows):,} '
    f'{units.kind}, {by})'
  )
  bad = more.low > 0
  advice = f'. `sample --keep_within={level:.2g}` leaves them out.' if bad else '.'
  sentences = [Sentence(told + advice, 'bad' if bad else 'good')]
  if units.caution:
    sentences.append(Sentence(f'{units.caution}.', 'unknown'))
  held = held_of(subject)
  few = [(what, count) for what, count in held.items() if count < settings.least]
  if few:
    names = '; '.join(f'{what}: {count:,}' for what, count in few[:10])
    sentences.append(
      Sentence(
        f'Outside of what it can be asked: of {len(few):,} classes, attribute values or pairs of '
        f'them the data hold fewer than {settings.least:,} images: {names}.',
      )
    )
  elif held:
    text = f'The data hold at least {settings.least:,} images of every class and attribute value.'
    sentences.append(Sentence(text, 'good'))
  else:
    sentences.append(Sentence('The data know neither classes nor attributes.', 'unknown'))
  order = np.argsort(p, kind='stable')[:_IN_PICTURE]
  real = subject.train.fetch(subject.train_rows[detector.nearest(order)])['image']
  pairs = np.stack([subject.images[order], real], axis=1)
  view = detector.views[0].name
  title = f'The edges: images with the least support, then the nearest real one ({view})'
  table = Table(
    'Images in the data', ('of', 'images'), tuple((what, f'{count:,}') for what, count in few)
  )
  return Result(
    'scope',
    'Scope',
    tuple(sentences),
    {'outside': out, 'outside_floor': expected, 'outside_excess': more},
    (table,) if few else (),
    (Picture(title, grid(pairs.reshape(-1, *pairs.shape[2:]), 8)),),
    {
      'features': [each.name for each in detector.views],
      'calibrated_on': len(units.rows),
      'unit': units.kind,
      'level': level,
      'images_of': held,
    },
  )


def held_of(subject: Subject) -> dict[str, int]:
  """How many training images there are of each class, attribute value, and pair of these."""
  rows, columns = np.arange(len(subject.train)), {}
  if subject.num_classes:
    names = np.array(subject.class_names)
    columns['class'] = (names[subject.train.labels(rows)], list(subject.class_names))
  for name, values in subject.train.attributes(rows).items():
    found = np.unique(values[values != ''] if values.dtype.kind == 'U' else values)
    if values.dtype.kind == 'U' and 1 < len(found) <= _VALUES:
      columns[name] = (values, found.tolist())
  held: dict[str, int] = {}
  for place, (name, (own, accepted)) in enumerate(columns.items()):
    held |= {f'{name}={value}': int(np.sum(own == value)) for value in accepted}
    for other, (theirs, others) in list(columns.items())[:place]:
      held |= {
        f'{other}={that}, {name}={this}': int(np.sum((own == this) & (theirs == that)))
        for this in accepted
        for that in others
      }
  return held


def reasons(
  classes: Sequence[int],
  truncation: float,
  counts: Mapping[int, int] | None,
  names: Sequence[str] = (),
  least: int = LEAST,
) -> list[str]:
  """Why a request to a generator is outside of what it was trained on; [] where it is within.

  Args:
    classes: that are asked for.
    truncation: likewise.
    counts: training images of each class; None where that is not known.
    names: of the classes.
    least: images that there have to be.
  """
  found = []
  if truncation > 1:
    found.append(f'--truncation={truncation:g}: latents beyond those of training, which are at 1')
  for one in dict.fromkeys(classes):
    count = None if counts is None else counts.get(one, 0)
    if count is not None and count < least:
      name = names[one] if one < len(names) else str(one)
      found.append(f'class {name}: {count:,} training images, fewer than {least:,}')
  return found
