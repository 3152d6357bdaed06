"""What an evaluation finds."""

from typing import Any, NamedTuple

import numpy as np

from gan_jax.evaluation import scores
from gan_jax.evaluation.evaluator import Evaluator
from gan_jax.evaluation.scores import Scored
from gan_jax.evaluation.subject import Subject


class Gallery(NamedTuple):
  """Some images of a subject beside the real images nearest to them."""

  subject: str
  images: np.ndarray
  nearest: np.ndarray
  distances: np.ndarray


class Evaluation(NamedTuple):
  """What was found.

  Attributes:
    rows: the scores of each checkpoint or folder.
    best: the row that is best by `best_key`, and those that its interval reaches.
    best_key: the score that orders them; '' where none does.
    class_names: what details are of, in their order.
    gallery: of the best row.
    notes: what the user should know beside the scores.
    about: feature networks and data, for the record.
  """

  rows: list[Scored]
  best: tuple[int, list[int]]
  best_key: str
  class_names: list[str]
  gallery: Gallery
  notes: list[str]
  about: dict[str, Any]


class Found:
  """Gathers the rows of an evaluation, and pictures of each until the best is known."""

  def __init__(self) -> None:
    self.rows: list[Scored] = []
    self.notes: list[str] = []
    self.class_names: list[str] = []
    self.about: dict[str, Any] = {}
    self._galleries: list[Gallery] = []

  def add(self, row: Scored, evaluator: Evaluator, of: Subject) -> None:
    """Adds the scores of a subject, and some of its images."""
    self.rows.append(row)
    self._galleries.append(Gallery(row.label, *evaluator.shown(of)))

  def finish(self, best_key: str, asked_for: bool) -> Evaluation:
    """Says which row is best.

    Args:
      best_key: the score that orders them.
      asked_for: refuse a score that is not there, rather than take another.

    Raises:
      UserError: where it is refused.
    """
    keys = [score.key for score in self.rows[0].scores if score.higher_is_better is not None]
    if not asked_for and best_key not in keys:  # the config's is not among those asked for now
      best_key = keys[0] if keys else ''
    best = scores.best(self.rows, best_key) if best_key else (0, [])
    gallery = self._galleries[best[0]]
    return Evaluation(self.rows, best, best_key, self.class_names, gallery, self.notes, self.about)
