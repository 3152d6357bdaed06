"""Sampling to shares that a user wants.

A conditional generator is asked for classes in those shares. Of any other, and of attributes, some
of the images drawn are kept: with probability w_j one that the predictor says is of category j. Of
those kept the share of category k is π_k Σ_j M[j, k] w_j / Z, where π are the shares of the
generator, M the predictor's errors and Z what is kept of all; w is the solution that comes nearest,
and then keeps most, by a linear programme. So the predictor's errors are allowed for, not copied.

A rare category is hardly among the images that were audited, so π is known from all the images that
are drawn to be kept or not: they are looked at once to know it, and drawn again to keep some.
"""

import csv
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import optimize

from gan_jax.audit import adjusted
from gan_jax.audit.groups import CLASS
from gan_jax.audit.predictor import Predictor
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError
from gan_jax.evaluation import subject as evaluated
from gan_jax.evaluation.embedding import embed
from gan_jax.evaluation.report import make
from gan_jax.metrics import mmd
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.features import Features
from gan_jax.sampling.grid import save_image

FOLDER = 'to_target'
_BATCH = 1000
_MOST_DRAWN = 50  # times as many images are drawn as are wanted, at most
_NEARNESS = 1e4  # what a share that is apart counts, beside keeping fewer images
_DEVIATIONS = 4  # standard deviations of how many are kept, at most, that are looked at beyond
_LEAST_SHARE = 1e-4  # of the generator, that a category is taken to have at least


class Sampled(NamedTuple):
  """Images sampled to a target.

  Attributes:
    images: `[n, H, W, C]`.
    weights: probability to keep an image by what the predictor says, `[K]`; None where the
      generator was asked for classes.
    drawn: how many images were drawn for them.
    folder: where they are written, or ''.
  """

  images: np.ndarray
  weights: np.ndarray | None
  drawn: int
  folder: str


def keeping(shares: np.ndarray, rates: np.ndarray, wanted: np.ndarray) -> np.ndarray:
  """Probabilities to keep an image by what the predictor says of it, `[K]`, at most 1.

  Args:
    shares: of the generator, `[K]`.
    rates: M of the predictor, each column sums to 1, `[K, K]`.
    wanted: shares, `[K]`.

  Returns:
    Those that bring the shares as near to the wanted as they can be, by the sum of what they are
    apart, and of these the ones that keep most.
  """
  own = np.maximum(shares, _LEAST_SHARE)
  count = len(own)
  kept = own[:, None] * rates.T  # kept @ w: what is kept of each category
  # Unknown: w, how far each share is apart, and the largest w; what is kept sums to 1.
  cost = np.concatenate([np.zeros(count), np.full(count, _NEARNESS), [1.0]])
  one, none = np.eye(count), np.zeros((count, 1))
  found = optimize.linprog(
    cost,
    A_ub=np.block([[kept, -one, none], [-kept, -one, none], [one, 0 * one, none - 1]]),
    b_ub=np.concatenate([wanted, -wanted, np.zeros(count)]),
    A_eq=np.concatenate([kept.sum(axis=0), np.zeros(count + 1)])[None],
    b_eq=[1.0],
  )
  weights = np.maximum(found.x[:count], 0)
  return weights / weights.max()


def to_target(subject: Subject, predictor: Predictor, wanted: np.ndarray | None) -> Sampled:
  """Samples as many images as a subject has, or of a folder keeps some of its own.

  Args:
    subject: whose generator, or images.
    predictor: of the grouping.
    wanted: shares, `[K]`.

  Raises:
    UserError: for shares that cannot be reached.
  """
  assert wanted is not None  # there is a target
  grouping, count = predictor.grouping, len(subject)
  rng = np.random.default_rng((subject.seed, 1))
  places = [np.flatnonzero(np.array(subject.class_names) == name) for name in grouping.categories]
  if subject.conditional and grouping.name == CLASS and all(len(place) == 1 for place in places):
    labels = rng.choice(np.concatenate(places), count, p=wanted).astype(np.int32)
    seed = subject.seed + 2
    images = np.concatenate(list(_drawn(subject, labels, seed)))
    rows = [(seed, place, int(label)) for place, label in enumerate(labels)]
    return Sampled(images, None, count, _write(subject, images, rows, predictor))
  weights = _weights(subject, predictor, wanted)
  kept: list[np.ndarray] = []
  rows = []
  drawn = 0
  for seed, first, labels, images in _candidates(subject):
    said = predictor.say(images).category
    chosen = np.flatnonzero(rng.random(len(images)) < weights[said])
    kept.append(images[chosen])
    rows += [(seed, first + int(place), int(labels[place])) for place in chosen]
    drawn += len(images)
    subject.watch('sampling to the target', min(len(rows), count), count)
    if len(rows) >= count:
      break
  found = np.concatenate(kept)[:count]
  if len(found) < 2:
    raise UserError(
      f'--mitigate: of {drawn:,} images {len(found)} could be kept; accepted: a target nearer to '
      'what is drawn'
    )
  return Sampled(found, weights, drawn, _write(subject, found, rows[:count], predictor))


def _weights(subject: Subject, predictor: Predictor, wanted: np.ndarray) -> np.ndarray:
  """Probabilities to keep an image, by what is said of all that have to be drawn for it, `[K]`."""
  rates = adjusted.rates_of(predictor.confusion)
  needed = len(subject) + _DEVIATIONS * np.sqrt(len(subject))
  counts = np.zeros(len(rates))
  for _, _, _, images in _candidates(subject):
    counts += np.bincount(predictor.say(images).category, minlength=len(counts))
    weights = keeping(adjusted.solved(counts, predictor.confusion), rates, wanted)
    expected = float(counts @ weights)
    subject.watch('looking for the target', int(min(expected, needed)), int(needed))
    if expected >= needed:
      break
  return weights


def _candidates(subject: Subject) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
  """Seed, first place, classes asked for and images, batch by batch."""
  if subject.run is None:
    for first in range(0, len(subject), _BATCH):
      images = np.asarray(subject.images[first : first + _BATCH])
      yield 0, first, np.zeros(len(images), np.int32), images
    return
  asked = subject.labels if subject.labels is not None else np.zeros(len(subject), np.int32)
  seed = subject.seed + 2
  for first in range(0, _MOST_DRAWN * len(subject), _BATCH):
    labels = asked[np.arange(first, first + _BATCH) % len(asked)]
    yield seed, first, labels, subject.draw(labels, seed, first)


def _drawn(subject: Subject, labels: np.ndarray, seed: int) -> Iterator[np.ndarray]:
  for first in range(0, len(labels), _BATCH):
    yield subject.draw(labels[first : first + _BATCH], seed, first)


def _write(
  subject: Subject, images: np.ndarray, rows: list[tuple[int, int, int]], predictor: Predictor
) -> str:
  """Writes the images, by index and what they are, and where each comes from."""
  if not subject.out:
    return ''
  folder = os.path.join(subject.out, FOLDER)
  make(folder)
  said = predictor.say(images).category
  names = [re.sub(r'[^\w-]+', '_', name)[:60] for name in predictor.grouping.categories]
  try:
    with open(os.path.join(folder, 'images.csv'), 'w', newline='', encoding='utf-8') as file:
      writer = csv.writer(file, lineterminator='\n')
      writer.writerow(('name', 'seed', 'place', 'class_asked', f'said_{predictor.grouping.name}'))
      for index, (image, row) in enumerate(zip(images, rows, strict=True)):
        name = f'{index:06d}_{names[said[index]]}.png'
        save_image(os.path.join(folder, name), image)
        writer.writerow((name, *row, predictor.grouping.categories[said[index]]))
  except OSError as error:
    raise UserError(f'--out={subject.out}: cannot be written: {error.strerror}') from error
  return folder


def distances(subject: Subject, images: np.ndarray) -> tuple[Estimate, Estimate]:
  """Kernel distance to the data of the subject's own images, and of others, as many of each."""
  features = subject.features_of(subject.features[0])
  embedder = subject.embedder(subject.features[0])
  own = evaluated.of_array('sampled to the target', images, None)
  found = embed(own, 0, [embedder], subject.watch, keep_images=False).features[0]
  count = min(len(found.pooled), len(features.generated.pooled))
  before = Features(features.generated.pooled[:count])
  after = Features(found.pooled[:count])
  return (
    mmd.compute(features.train, before)['mmd'],
    mmd.compute(features.train, after)['mmd'],
  )
