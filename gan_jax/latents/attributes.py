"""Predictors of attributes: from features of images to how much of an attribute an image has."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError

_RAREST = 0.02  # share of the images that have a value, or that do not
_MOST_VALUES = 20  # of a column of text


class Predictor(NamedTuple):
  """A logistic regression on features.

  Attributes:
    model: of scikit-learn.
    accuracy: mean over both answers of the share that is right, of images not learnt from.
  """

  model: Any
  accuracy: float

  def __call__(self, features: np.ndarray) -> np.ndarray:
    """Log odds `[N]` of images having the attribute."""
    return self.model.decision_function(features)

  def probability(self, features: np.ndarray) -> np.ndarray:
    """Probabilities `[N]`."""
    return self.model.predict_proba(features)[:, 1]


def questions(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Questions of yes or no that columns answer: floats `[n]`, NaN where that is not known.

  Two numbers are no and yes, more are above their median or not; each value of a text is a
  question, `column=value`, where there are at most 20. What nearly all images have, or hardly one,
  is none.
  """
  found: dict[str, np.ndarray] = {}
  for name, values in columns.items():
    if values.dtype.kind == 'f':
      known = values[~np.isnan(values)]
      if len(known):
        distinct = np.unique(known)
        limit = distinct[0] if len(distinct) == 2 else np.median(known)
        found[name] = np.where(np.isnan(values), np.nan, values > limit)
      continue
    distinct = np.unique(values[values != ''])
    if len(distinct) <= _MOST_VALUES:
      for value in distinct if len(distinct) > 2 else distinct[-1:]:
        found[f'{name}={value}'] = np.where(values == '', np.nan, values == value)
  share = lambda answers: np.nanmean(answers)
  return {name: a for name, a in found.items() if _RAREST <= share(a) <= 1 - _RAREST}


def predictor(features: np.ndarray, answers: np.ndarray, name: str) -> Predictor:
  """Learns from features `[n, F]` and answers `[n]`, 0, 1 or NaN; a quarter measures it.

  Raises:
    UserError: where too few images have the one answer or the other.
  """
  from sklearn.linear_model import LogisticRegression  # takes a second to import
  from sklearn.metrics import balanced_accuracy_score
  from sklearn.model_selection import train_test_split
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  known = ~np.isnan(answers)
  x, y = features[known], answers[known].astype(int)
  if min(np.bincount(y, minlength=2)) < 4:
    raise UserError(f'--by=attributes: {name}: less than 4 images have it, or have it not')
  kept, tested, kept_y, tested_y = train_test_split(x, y, stratify=y, random_state=0)
  model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
  model.fit(kept, kept_y)
  return Predictor(model, float(balanced_accuracy_score(tested_y, model.predict(tested))))
