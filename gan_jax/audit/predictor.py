"""Says which category an image is of, with errors that were measured on held-out images.

It is the classifier of `gan_jax.features`, trained on the data's own labels or attributes; of an
intersection, both that it is of.
"""

from typing import NamedTuple

import jax
import numpy as np

from gan_jax.audit import adjusted
from gan_jax.audit.groups import CLASS, Grouping, Relabelled
from gan_jax.audit.subject import Subject
from gan_jax.evaluation.embedding import Embedder
from gan_jax.features import classifier
from gan_jax.features.network import Request

_BATCH = 250
_UNSURE = 0.05  # of the held-out images, the least sure


class Said(NamedTuple):
  """What a predictor says of images: category and probability of it, `[N]` each."""

  category: np.ndarray
  sure: np.ndarray


class Predictor(NamedTuple):
  """A predictor of a grouping's categories.

  Attributes:
    grouping: what it predicts.
    sorts: the grouping that it learnt, some of whose categories `grouping` may take for one.
    into: the category of `grouping` that each category of `sorts` is in, `[K']`.
    embedders: networks whose logits are over the categories, one or, of an intersection, two.
    confusion: counts of held-out images of category k said to be j at [j, k], `[K, K]`; of images
      that are kept by chance, expected ones.
    least_sure: probability below which it was for one in twenty held-out images.
  """

  grouping: Grouping
  sorts: Grouping
  into: np.ndarray
  embedders: tuple[Embedder, ...]
  confusion: np.ndarray
  least_sure: float

  @property
  def accuracy(self) -> float:
    """Share of the held-out images of which it is right."""
    return float(np.trace(self.confusion) / self.confusion.sum())

  def say(self, images: np.ndarray) -> Said:
    """Says which category each of some images `[N, H, W, C]` is of."""
    said = _say(self.embedders, self.sorts, images)
    return Said(self.into[said.category], said.sure)

  def merged(self, first: int, second: int) -> tuple['Predictor', np.ndarray]:
    """The same with two categories taken for one, and where each category is in it, `[K]`.

    Its errors on the one are those on the held-out images of both, as many as there are of each.
    """
    grouping, into = self.grouping.merged(first, second)
    confusion = np.zeros((len(grouping.categories),) * 2, self.confusion.dtype)
    np.add.at(confusion, (into[:, None], into[None]), self.confusion)
    return self._replace(grouping=grouping, into=into[self.into], confusion=confusion), into

  def kept(self, weights: np.ndarray | None) -> 'Predictor':
    """The same, of images that were kept by what it said of them: its errors are others there.

    Args:
      weights: probability that an image was kept that was said to be of each category, `[K]`; None:
        none was left out. Held-out images would be kept by the same.
    """
    if weights is None:
      return self
    return self._replace(confusion=self.confusion * weights[:, None])


class Predictors:
  """Predictors of a subject's groupings; networks are kept in the user's cache."""

  def __init__(self, subject: Subject, groupings: list[Grouping]):
    """Trains nothing yet."""
    self._subject = subject
    self._groupings = {each.name: each for each in groupings}
    self._embedders: dict[str, Embedder] = {}

  def of(self, grouping: Grouping) -> Predictor:
    """The predictor of a grouping; measured on all held-out images whose category is known."""
    names = grouping.parts or (grouping.name,)
    embedders = tuple(self._embedder(self._groupings[name]) for name in names)
    rows = np.flatnonzero(grouping.holdout >= 0)
    truth = grouping.holdout[rows]
    parts = []
    for start in range(0, len(rows), 4 * _BATCH):
      images = self._subject.holdout.fetch(rows[start : start + 4 * _BATCH])['image']
      parts.append(_say(embedders, grouping, images))
    said = np.concatenate([part.category for part in parts])
    sure = np.concatenate([part.sure for part in parts])
    confusion = adjusted.counted(truth, said, len(grouping.categories))
    return Predictor(
      grouping,
      grouping,
      np.arange(len(grouping.categories)),
      embedders,
      confusion,
      float(np.quantile(sure, _UNSURE)),
    )

  def _embedder(self, grouping: Grouping) -> Embedder:
    if grouping.name not in self._embedders:
      self._embedders[grouping.name] = self._open(grouping)
    return self._embedders[grouping.name]

  def _open(self, grouping: Grouping) -> Embedder:
    subject = self._subject
    whole = grouping.name == CLASS and tuple(subject.class_names) == grouping.categories
    if whole and 'classifier' not in subject.teachers:
      return subject.embedder('classifier')
    train, holdout = (
      Relabelled(dataset, own, grouping.categories)
      for dataset, own in ((subject.train, grouping.train), (subject.holdout, grouping.holdout))
    )
    return Embedder(classifier.load(Request(train, holdout)), _BATCH)


def _say(embedders: tuple[Embedder, ...], grouping: Grouping, images: np.ndarray) -> Said:
  found = []
  for embedder in embedders:
    logits = np.concatenate([np.asarray(part) for _, part in embedder(images)])
    found.append(np.asarray(jax.nn.softmax(logits, axis=-1)))
  if grouping.pairs is None:
    (own,) = found
    return Said(own.argmax(axis=1), own.max(axis=1))
  # Of the combinations that there are, the likeliest, as if both were independent given the image.
  joint = np.einsum('ni,nj->nij', *found).reshape(len(images), -1)
  places = grouping.pairs.ravel()
  summed = np.zeros((len(images), len(grouping.categories)))
  np.add.at(summed.T, places[places >= 0], joint[:, places >= 0].T)
  return Said(summed.argmax(axis=1), summed.max(axis=1))
