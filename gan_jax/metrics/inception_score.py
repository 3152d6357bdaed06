"""Inception Score on any classifier's logits (Salimans et al., arXiv:1606.03498, Sec. 4).

exp of the mean over images of KL(p(y|x) ‖ p(y)), p(y) the mean of p(y|x): between 1 and K.
It looks at generated images only: a generator that gives one good image of each class has the best
score that there is. The published score is the mean over ten tenths of the images; here it is of
all at once, since a part of the images lowers it, and the interval says what ten tenths were for.
"""

import itertools

import numpy as np

from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check_logits

SCORES = {'inception_score': True}
NEEDS = ('logits',)


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `inception_score` of at least two generated images.

  The interval is the delta method's on the logarithm: an image moves the mean KL by its own KL
  less the mean, since p(y) is where the mean is least. It stays within 1 and K.
  """
  del real
  logits = check_logits(fake, least=2)
  found = divergences(logits)
  log = from_error(float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5))
  return {'inception_score': Estimate(*(float(v) for v in np.exp(log).clip(1, logits.shape[1])))}


def inception_score(logits: np.ndarray, splits: int = 1) -> float:
  """Mean score over `splits` equal parts of logits `[N, K]`, in the order given."""
  bounds = [i * len(logits) // splits for i in range(splits + 1)]
  parts = [logits[a:b] for a, b in itertools.pairwise(bounds)]
  return float(np.mean([np.exp(divergences(part).mean()) for part in parts]))


def divergences(logits: np.ndarray) -> np.ndarray:
  """KL(p(y|x) ‖ p(y)) of each image `[N]`, in nats, from logits `[N, K]`."""
  logits = logits.astype(np.float64)
  logits -= logits.max(axis=1, keepdims=True)
  log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
  p = np.exp(log_p)
  marginal = p.mean(axis=0)
  log_marginal = np.log(np.where(marginal > 0, marginal, 1))  # 0 only where every p is
  return (p * (log_p - log_marginal)).sum(axis=1)
