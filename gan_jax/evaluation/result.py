"""What an evaluation finds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import NonFiniteError, UserError
from gan_jax.evaluation import scores
from gan_jax.evaluation.evaluator import Evaluator
from gan_jax.evaluation.scores import Scored
from gan_jax.evaluation.sheets import Tenth
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
    gallery: of the best row.
    notes: what the user should know beside the scores.
    about: feature networks and data, for the record.
    tenths: of the best row, where they were asked for.
  """

  rows: list[Scored]
  best: tuple[int, list[int]]
  best_key: str
  gallery: Gallery
  notes: list[str]
  about: dict[str, Any]
  tenths: Sequence[Tenth] = ()


class Found:
  """Gathers the rows of an evaluation, and pictures of each until the best is known."""

  def __init__(self) -> None:
    """Begins without rows."""
    self._tenths: list[Sequence[Tenth]] = []
    self.rows: list[Scored] = []
    self.notes: list[str] = []
    self.about: dict[str, Any] = {}
    self._galleries: list[Gallery] = []
    self._refused: list[UserError | NonFiniteError] = []

  def refuse(self, error: UserError | NonFiniteError) -> None:
    """Notes what has no scores, and why."""
    self._refused.append(error)

  def add(self, row: Scored, of: Subject, evaluator: Evaluator, repeats: int = 1) -> Scored:
    """Scores a subject and adds the scores to its row, and some of its images.

    A subject that can have no score is left out, so that the others keep theirs; it is noted.
    """
    try:
      row = row._replace(scores=evaluator.score(of, repeats))
    except (UserError, NonFiniteError) as error:
      self.refuse(type(error)(f'{of.name}: {error}'))
      return row
    self.rows.append(row)
    self._galleries.append(Gallery(row.label, *evaluator.shown(of)))
    self._tenths.append(evaluator.tenths)
    return row

  def finish(self, best_key: str, asked_for: bool) -> Evaluation:
    """Says which row is best.

    Args:
      best_key: the score that orders them.
      asked_for: refuse a score that is not there, rather than take another.

    Raises:
      UserError: where it is refused, or no subject could have a score.
      NonFiniteError: where none could, as a generator's images are not finite.
    """
    if not self.rows:
      raise self._refused[0]
    self.notes += [str(error) for error in self._refused]
    keys = [score.key for score in self.rows[0].scores if score.higher_is_better is not None]
    if not asked_for and best_key not in keys:  # the config's is not among those asked for now
      best_key = keys[0] if keys else ''
    best = scores.best(self.rows, best_key) if best_key else (0, [])
    gallery, tenths = self._galleries[best[0]], self._tenths[best[0]]
    return Evaluation(self.rows, best, best_key, gallery, self.notes, self.about, tenths)
