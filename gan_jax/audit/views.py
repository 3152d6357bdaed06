"""The training, held-out and other images of a subject as several ways of comparing see them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.audit.subject import Subject, SubjectFeatures
from gan_jax.errors import UserError
from gan_jax.features import pixels
from gan_jax.metrics import conformal, copies

PIXELS = 'aligned_pixels'
_ALSO = ('efficientnet_lite0', 'efficientnet_lite2')  # where the subject names fewer than asked for
_SAME = 0.02  # aligned distance of what is one image, twice stored


class View(NamedTuple):
  """One way of comparing.

  Attributes:
    name: of the feature network, or `PIXELS`.
    found: features of the subject's images; of pixels as images.
    see: the same of other images `[N, H, W, C]`.
    near: the training image that each image is nearest to: `copies.near` or its like.
    learnt: whether the features were trained on the training images: these look unlike others.
  """

  name: str
  found: SubjectFeatures
  see: Callable[[np.ndarray], np.ndarray]
  near: Callable[..., copies.Near]
  learnt: bool = False


def networks(subject: Subject, count: int) -> tuple[str, ...]:
  """The first `count` feature networks of a subject, further ones where it names too few."""
  names = dict.fromkeys([*subject.features, *_ALSO])
  return tuple(name for name in names if name not in subject.teachers)[:count]


def by_network(subject: Subject, name: str) -> View:
  """Distances of features."""
  embedder = subject.embedder(name)
  see = lambda images: np.concatenate([part for part, _ in embedder(images)])
  learnt = embedder.network.classes == 'dataset'
  return View(name, subject.features_of(name), see, copies.near, learnt)


def of_content(subject: Subject) -> list[View]:
  """By a network that was not trained on the data, if there is one, and by pixels as they lie."""
  names = [name for name in networks(subject, 3) if name != 'pixels']
  unlearnt = [name for name in names if subject.embedder(name).network.classes != 'dataset']
  return [by_network(subject, name) for name in [*(unlearnt or names)[:1], 'pixels']]


def by_pixels(subject: Subject) -> View:
  """Distances of pixels at best alignment, of sides of at most 32 pixels."""
  embedder = subject.embedder('pixels')
  shape = pixels.shape(subject.train.shape)
  images = lambda features: features._replace(pooled=features.pooled.reshape(-1, *shape))
  found = SubjectFeatures(*map(images, subject.features_of('pixels')))

  def see(images: np.ndarray) -> np.ndarray:
    return np.concatenate([part for part, _ in embedder(images)]).reshape(-1, *shape)

  return View(PIXELS, found, see, copies.near_aligned)


class Units(NamedTuple):
  """Held-out images that are a fair sample of what is not known.

  Attributes:
    rows: of the subject's held-out features, one a unit.
    level: the rate of false alarms that they can tell: what was asked for, or more.
    kind: what they are, for sentences.
    caution: what has to be known of them; ''.
  """

  rows: np.ndarray
  level: float
  kind: str
  caution: str


def units(subject: Subject, level: float, left_out: np.ndarray | None = None) -> Units:
  """Chooses held-out images to calibrate by: one of each group where that gives enough of them.

  Args:
    subject: whose.
    level: rate of false alarms that is asked for.
    left_out: held-out images that are known to be no unseen ones, bool `[n]`.

  Raises:
    UserError: for a level that is none, or no held-out image.
  """
  if not 0 < level < 1:
    raise UserError(f'--false_alarms={level:g}: accepted: above 0 and below 1')
  rows = np.arange(len(subject.holdout_rows))
  if left_out is not None:
    rows = rows[~left_out]
  if not len(rows):
    raise UserError(f'{subject.holdout.name}: no image that is not in the training data as well')
  groups = subject.holdout.groups(subject.holdout_rows[rows])
  kind, caution = 'held-out images', ''
  if groups is not None and len(np.unique(groups)) < len(rows):
    each = conformal.one_of_each(groups, np.random.default_rng(subject.seed))
    if level * (len(each) + 1) >= 1:
      rows, kind = rows[each], 'held-out images, one of each group'
    else:
      caution = (
        f'the {len(rows):,} held-out images are of {len(each):,} groups, too few for a rate of '
        f'{level:.2g} by groups: the rate is that over other images of these, not over new groups'
      )
  least = 1 / (len(rows) + 1)
  if level < least:
    caution = f'{len(rows):,} held-out images tell no rate below {least:.2g}, which is taken'
  return Units(rows, max(level, least), kind, caution)


def same(near: copies.Near) -> np.ndarray:
  """Which images `[N]` are training images, by pixels alone; of one colour counts as no image."""
  return near.distances < _SAME
