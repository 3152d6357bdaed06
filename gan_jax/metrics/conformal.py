"""P-values of single images, by images that are known to be as they should be.

Conformal (Vovk et al. 2005, Algorithmic Learning in a Random World, Ch. 2): the place of an image's
score among those of a calibration set. Where the image comes from where that set does, the p-value
is at most α in at most a share α of cases, whatever the score; so the rate of false alarms is the
one that was asked for. That is over calibration sets as well as images: with one calibration set of
n, the rate is α give or take √(α (1 − α) / n).
"""

import numpy as np
from scipy import stats

from gan_jax.errors import UserError
from gan_jax.metrics.estimate import LEVEL, Estimate

_ELEMENTS = 2**22  # compared together


def p_values(scores: np.ndarray, calibration: np.ndarray) -> np.ndarray:
  """P-values `[N]`, float64, from 1 / (n + 1) to 1: small for what is stranger than usual.

  Of several scores an image, the strangest counts, and that it is the strangest of several is
  reckoned with: the image and the calibration set are ranked together by each score, an image has
  the best of its ranks, of equal ones the sum of all decides, and the p-value is the share of the
  set, the image among it, that comes as far in front. All of these are treated alike, so that no
  correction for several tests is needed.

  Args:
    scores: of the images, `[N]` or `[N, V]` by V views; the greater the stranger.
    calibration: likewise, of n images, `[n]` or `[n, V]`.

  Raises:
    UserError: for no calibration image, or scores that are not numbers.
  """
  if not len(calibration):
    raise UserError('calibration: 0 images; accepted: at least 1')
  own, known = (np.atleast_2d(np.asarray(s, np.float64).T).T for s in (scores, calibration))
  for name, found in (('images', own), ('calibration', known)):
    if np.isnan(found).any():
      raise UserError(f'{name}: {np.isnan(found).any(axis=1).sum():,} scores are not numbers')
  ascending = np.sort(known, axis=0)
  as_strange = lambda x: np.stack(
    [len(known) - np.searchsorted(a, b, 'left') for a, b in zip(ascending.T, x.T, strict=True)],
    axis=1,
  )
  views = known.shape[1]
  ranks, of_known = 1 + as_strange(own), as_strange(known)
  strangeness = lambda ranks: ranks.min(axis=-1) * (len(known) + 2) * views + ranks.sum(axis=-1)
  best = strangeness(ranks)
  found = np.empty(len(own))
  step = max(1, _ELEMENTS // known.size)
  for start in range(0, len(own), step):
    part = slice(start, start + step)
    ahead = own[part, None, :] >= known[None]  # the image comes before one of the set
    theirs = strangeness(of_known[None] + ahead)
    found[part] = (1 + np.sum(theirs <= best[part, None], axis=1)) / (len(known) + 1)
  return found


def rate(level: float, count: int) -> Estimate:
  """The rate of false alarms at a level, where p-values are by `count` images.

  What was asked for, less what so few images cannot tell apart; the interval is of the rate among
  all images to come, as it may be with this calibration set: the share beyond the k-th of n values
  is a Beta variable.
  """
  k = int(level * (count + 1) + 1e-9)
  if not k:
    return Estimate(0.0, 0.0, 0.0)
  low, high = stats.beta.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], k, count + 1 - k)
  return Estimate(k / (count + 1), float(low), float(high))


def one_of_each(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Rows, ascending, of one example at random of each group `[N]`.

  Images of one patient are alike, so that they are no exchangeable sample of images; one image of
  each patient is (Dunn, Wasserman and Ramdas 2023, JASA 118, Sec. 3.3).
  """
  order = rng.permutation(len(groups))
  _, first = np.unique(np.asarray(groups)[order], return_index=True)
  return np.sort(order[first])
