"""Shares of categories out of a predictor's counts, corrected for its measured errors.

The counts of what a predictor says of N images have the expectation N M π, with π the shares that
are sought and M[j, k] the probability that it says j of an image of k, measured on held-out images
of known category. The adjusted shares are M⁻¹ q of the counted shares q, for two categories the
estimate of Rogan and Gladen (American Journal of Epidemiology 107, 1978; as adjusted counts Forman,
Data Mining and Knowledge Discovery 17, 2008). It supposes that the predictor errs on generated
images as on held-out ones.

An interval holds every share π₀ that a score test does not reject: |π̂ − π₀| <= z s(π₀), where s is
the standard error, by the counts and by M, as it would be if π₀ were true, with M and the other
shares at their most likely values under that. So Wilson's interval is made, which it is where
nothing is mistaken; the plain error at the estimate is too small near 0 and with rates that are
known from a few mistakes.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics.estimate import QUANTILE, Estimate

_STEPS = 14  # of the bisection of an end: to a 16,000th
_UPDATES = 200  # of expectation maximisation
_NAMED = 0.25  # part of a category in the mixture that M does not see, from which on it is named


class NotToldApartError(Exception):
  """What a predictor says of some categories is not shown to depend on which of them it is.

  Attributes:
    places: of these categories.
    nearest: the one of them and the other category of which it says the most alike things.
  """

  def __init__(self, places: list[int], nearest: tuple[int, int]):
    """Takes the categories, and the two that are best taken for one."""
    super().__init__(f'the predictor does not tell the categories {places} apart')
    self.places, self.nearest = places, nearest


class Adjusted(NamedTuple):
  """Shares of categories.

  Attributes:
    shares: of each, `[K]`, before they are brought within 0 and 1: they show how well the counts
      go with the errors.
    estimates: of each, with its interval, within 0 and 1.
  """

  shares: np.ndarray
  estimates: list[Estimate]


def counted(truth: np.ndarray, said: np.ndarray, categories: int) -> np.ndarray:
  """Counts `[K, K]`: of held-out images of category k, how many were said to be j, at [j, k]."""
  places = np.asarray(said) * categories + np.asarray(truth)
  return np.bincount(places, minlength=categories**2).reshape(categories, categories)


def rates_of(confusion: np.ndarray) -> np.ndarray:
  """M `[K, K]`: each column of the counts as shares."""
  return confusion / confusion.sum(axis=0)


def solved(counts: np.ndarray, confusion: np.ndarray) -> np.ndarray:
  """M⁻¹ q, the shares `[K]` before they are brought within 0 and 1, without intervals."""
  return np.linalg.solve(rates_of(confusion), counts / counts.sum())


def shares(counts: np.ndarray, confusion: np.ndarray) -> Adjusted:
  """Shares of categories among N images.

  Args:
    counts: how many of the images were said to be of each category, `[K]`.
    confusion: as `counted` gives it, `[K, K]`; at least one image of each category.

  Raises:
    NotToldApartError: where M, by so many held-out images, may be singular.
  """
  _check_told_apart(rates_of(confusion), confusion.sum(axis=0))
  found = solved(counts, confusion)
  places = np.arange(len(found))
  inside = found.clip(0, 1)
  lows = _ends(counts, confusion, places, inside, 0.0)
  highs = _ends(counts, confusion, places, inside, 1.0)
  return Adjusted(
    found,
    [
      Estimate(float(value), float(low), float(high))
      for value, low, high in zip(inside, lows, highs, strict=True)
    ],
  )


def _check_told_apart(rates: np.ndarray, known: np.ndarray) -> None:
  """Raises NotToldApartError where the smallest singular value of M is not shown to be above 0.

  Its standard error is that of u·M v, with u and v the singular vectors held still, and the columns
  of M shares of `known` images each. What M does not see is v: more of some categories and less of
  others.
  """
  left, values, right = np.linalg.svd(rates)
  u, v = left[:, -1], right[-1]
  error = np.sqrt(np.sum(v**2 * _multinomial(u[None, :, None], rates[None])[0] / known))
  if values[-1] <= max(QUANTILE * error, np.finfo(float).eps * len(v)):
    places = np.flatnonzero(np.abs(v) >= _NAMED * np.abs(v).max())
    apart = np.abs(rates[:, places, None] - rates[:, None]).sum(axis=0) / 2  # total variation
    apart[np.arange(len(places)), places] = np.inf
    row, other = np.unravel_index(apart.argmin(), apart.shape)
    first, second = sorted((int(places[row]), int(other)))
    raise NotToldApartError(places.tolist(), (first, second))


def _ends(
  counts: np.ndarray, confusion: np.ndarray, places: np.ndarray, inside: np.ndarray, bound: float
) -> np.ndarray:
  """The shares between each estimate and a bound at which the test begins to reject, `[K]`."""
  kept, rejected = inside.copy(), np.full(len(inside), bound)
  reached = np.abs(statistic(counts, confusion, places, rejected)) <= QUANTILE
  for _ in range(_STEPS):
    middle = (kept + rejected) / 2
    holds = np.abs(statistic(counts, confusion, places, middle)) <= QUANTILE
    kept, rejected = np.where(holds, middle, kept), np.where(holds, rejected, middle)
  return np.where(reached, bound, rejected)


def statistic(
  counts: np.ndarray, confusion: np.ndarray, places: np.ndarray, points: np.ndarray
) -> np.ndarray:
  """The score statistic, standard normal where share `points[b]` of category `places[b]` is true.

  Args:
    counts: as of `shares`, `[K]`, or others for each, `[B, K]`.
    confusion: likewise, `[K, K]` or `[B, K, K]`.
    places: categories, `[B]`.
    points: their supposed shares, `[B]`.
  """
  B, K = len(points), counts.shape[-1]
  counts, confusion = np.broadcast_to(counts, (B, K)), np.broadcast_to(confusion, (B, K, K))
  known, n = confusion.sum(axis=1), counts.sum(axis=1)
  rates, mix = _most_likely(counts, confusion, places, points)
  chosen = np.arange(K) == places[:, None]
  # Weights w with w·M = the category's indicator: the other shares have no part in w·(q − M π).
  with np.errstate(all='ignore'):
    weights = np.stack(
      [_solve(each.T, one) for each, one in zip(rates, chosen.astype(float), strict=True)]
    )
    expected = np.einsum('bjk,bk->bj', rates, mix)
    variance = _multinomial(weights, expected) / n
    by_category = _multinomial(weights[:, :, None], rates)
    variance += np.einsum('bk,bk->b', mix**2, by_category / known)
    apart = counts / n[:, None] - np.einsum('bjk,bk->bj', confusion / known[:, None], mix)
    value = np.einsum('bj,bj->b', weights, apart) / np.sqrt(variance)
  return np.nan_to_num(value, nan=0.0)  # where nothing is told apart nothing is rejected


def _most_likely(
  counts: np.ndarray, confusion: np.ndarray, places: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """M `[B, K, K]` and π `[B, K]` with π[b, places[b]] = points[b], by expectation maximisation."""
  K = counts.shape[1]
  chosen = np.arange(K) == places[:, None]
  rest = (1 - points)[:, None]
  rates = confusion + 1 / K
  rates /= rates.sum(axis=1, keepdims=True)
  mix = np.where(chosen, points[:, None], rest / max(K - 1, 1))
  for _ in range(_UPDATES):
    parts = rates * mix[:, None]
    total = parts.sum(axis=2, keepdims=True)
    parts *= counts[:, :, None] / np.maximum(total, 1e-300)  # images said j that are of k
    rates = confusion + parts
    rates /= rates.sum(axis=1, keepdims=True)
    if K > 2:
      others = np.where(chosen, 0, parts.sum(axis=1)) + 1e-12
      others = np.where(chosen, 0, others)
      mix = np.where(chosen, points[:, None], rest * others / others.sum(axis=1, keepdims=True))
  return rates, mix


def _multinomial(weights: np.ndarray, rates: np.ndarray) -> np.ndarray:
  """Variance of weights·x of one draw x by rates, both with their answers along axis 1."""
  mean = (weights * rates).sum(axis=1, keepdims=True)
  return ((weights - mean) ** 2 * rates).sum(axis=1)


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
  try:
    return np.linalg.solve(matrix, vector)
  except np.linalg.LinAlgError:
    return np.full(len(vector), np.nan)
