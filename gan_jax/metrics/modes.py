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
  would show: f (1 − exp(−a / f)), of a and b classes seen once and twice and an estimated
  f = a (a − 1) / (2 b + 2) not seen (Shen, Chao and Lin 2003, Ecology 84). That N is fixed takes
  a² / N off. Where the variance under the shares seen, which forgets what was not seen, is larger,
  it is that: for rare classes up to four times too much.
  """
  number, total = int(np.sum(counts > 0)), counts.sum()
  once, twice = float(np.sum(counts == 1)), float(np.sum(counts == 2))
  unseen = min(once * (once - 1) / (2 * (twice + 1)), len(counts) - number + 1.0)
  further = unseen * -np.expm1(-once / unseen) if unseen > 0 else 0.0
  missed = np.exp(-counts[counts > 0].astype(np.float64))  # chance that a class seen is not again
  again = np.sum(missed * (1 - missed)) - (missed @ counts[counts > 0]) ** 2 / total
  variance = max(further - once**2 / total, again, 0.0)
  interval = from_error(float(number), float(np.sqrt(variance)))
  return interval._replace(low=max(interval.low, 1.0), high=min(interval.high, float(len(counts))))


def _divergence(generated: np.ndarray, wanted: np.ndarray) -> Estimate:
  """KL of the shares of `generated` from those of `wanted`, both counts `[K]`.

  The delta method: a generated image of class k moves it by log(q / p), a real one by q / p. Near 0
  this is up to √2 too wide.
  """
  n, m = generated.sum(), wanted.sum()
  q, p = generated / n, wanted / m
  ratio = np.divide(q, p, out=np.ones_like(q), where=wanted > 0)
  log = np.log(np.where(ratio > 0, ratio, 1))
  value = float(q @ log)
  variance = (q @ log**2 - value**2) / n + (p @ ratio**2 - (p @ ratio) ** 2) / m
  interval = from_error(value, float(np.sqrt(max(variance, 0.0))))
  return interval._replace(low=max(interval.low, 0.0))
