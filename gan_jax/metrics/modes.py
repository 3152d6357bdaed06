"""Classes that a generator makes: the Stacked MNIST test (arXiv:1611.02163, 3.3.2; 1712.04086).

`modes`: how many of the dataset's classes a classifier finds among the generated images.
`modes_kl`: KL(q ‖ p) in nats of their shares q from those of the real labels, p: where all classes
are there, are they there as often? Both are of the N at hand: with more images rare classes appear,
and where q = p, `modes_kl` is on average (K − 1) / 2 · (1 / N + 1 / M) for K classes and M real
images.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check_labels, check_logits

SCORES = {'modes': True, 'modes_kl': False}
NEEDS = ('class_logits', 'real_labels')

# Weights of the classes seen once, twice, ...: signs in turn, times the chance of at least as many
# heads in five tosses.
_SMOOTHED = np.array([31, -26, 16, -6, 1]) / 32


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `modes` and `modes_kl` of at least two generated images.

  Raises:
    UserError: where a class is among the generated images and not among the real ones, as
      `modes_kl` would be infinite.
  """
  logits = check_logits(fake, least=2)
  labels = check_labels('real', real)
  if len(labels) < 2:
    raise UserError(f'real: {len(labels)} images; at least 2 are needed')
  classes = max(logits.shape[1], int(labels.max()) + 1)
  generated = np.bincount(logits.argmax(axis=1), minlength=classes)
  wanted = np.bincount(labels, minlength=classes)
  unknown = np.flatnonzero((generated > 0) & (wanted == 0))
  if len(unknown):
    raise UserError(
      f'class {unknown[0]}: 0 real and {generated[unknown[0]]:,} generated images; '
      'at least 1 real image of each class that is generated is needed'
    )
  return {'modes': _modes(generated), 'modes_kl': _divergence(generated, wanted)}


def _modes(counts: np.ndarray) -> Estimate:
  """Number of classes seen, with the interval of that number in N other images.

  Its variance, of independent Poisson counts, is the number of new classes that N further images
  would show, of which Good and Toulmin (1956, Biometrika 43) have an unbiased estimate: the classes
  seen once, less those seen twice, and so on; here smoothed (Efron and Thisted 1976, Biometrika
  63, Sec. 4). That N is fixed takes some off. Putting in the shares seen would leave out the
  classes not seen.
  """
  number = int(np.sum(counts > 0))
  seen = np.bincount(counts, minlength=len(_SMOOTHED) + 1)[1 : len(_SMOOTHED) + 1]
  variance = _SMOOTHED @ seen - seen[0] ** 2 / counts.sum()
  interval = from_error(float(number), float(np.sqrt(max(variance, 0.0))))
  return interval._replace(low=max(interval.low, 1.0), high=min(interval.high, float(len(counts))))


def _divergence(generated: np.ndarray, wanted: np.ndarray) -> Estimate:
  """KL of the shares of `generated` from those of `wanted`, both counts `[K]`.

  The delta method: a generated image of class k moves it by log(q / p), a real one by q / p. Near 0
  that holds the second order twice, which is as much as the (chi-squared) divergence then spreads.
  """
  n, m = generated.sum(), wanted.sum()
  q, p = generated / n, wanted / m
  ratio = np.divide(q, p, out=np.ones_like(q), where=wanted > 0)
  log = np.log(np.where(ratio > 0, ratio, 1))
  value = float(q @ log)
  first = (q @ log**2 - value**2) / n + (p @ ratio**2 - (p @ ratio) ** 2) / m
  second = (np.sum(generated > 0) - 1) * (1 / n + 1 / m) ** 2 / 2
  interval = from_error(value, float(np.sqrt(max(first - second, second))))
  return interval._replace(low=max(interval.low, 0.0))
