"""Fréchet distance within each class, and its mean over classes (intra-FID, arXiv:1802.05637).

Where a generator makes good images of the wrong class, or one class poorly, `fd` may not show it.
Classes have few images each: the bias of `fd` at small N is larger here. Compare with the floor.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import fd
from gan_jax.metrics.estimate import Estimate, from_error
from gan_jax.metrics.features import Features, check, check_labels

SCORES = {'fd_per_class': False}
NEEDS = ('labels',)

_LEAST = 2


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `fd_per_class`, the mean over classes, and `fd_per_class/<class>` of each.

  Raises:
    UserError: where a class of either set has fewer than two images in one of them.
  """
  check(real, fake, least=_LEAST)
  real_labels, fake_labels = check_labels('real', real), check_labels('generated', fake)
  rows = {
    int(number): (np.flatnonzero(real_labels == number), np.flatnonzero(fake_labels == number))
    for number in np.union1d(real_labels, fake_labels)
  }
  for number, (a, b) in rows.items():  # before any of the work
    if min(len(a), len(b)) < _LEAST:
      raise UserError(
        f'class {number}: {len(a):,} real and {len(b):,} generated images; '
        f'at least {_LEAST} of each are needed'
      )
  found = {
    number: fd.distance_with_error(real.pooled[a], fake.pooled[b])
    for number, (a, b) in rows.items()
  }
  values, errors = np.array(list(found.values())).T
  scores = {'fd_per_class': (values.mean(), np.sqrt(np.sum(errors**2)) / len(errors))}
  scores |= {f'fd_per_class/{number}': pair for number, pair in found.items()}
  estimates = {name: from_error(*pair) for name, pair in scores.items()}
  return {name: e._replace(low=max(e.low, 0.0)) for name, e in estimates.items()}
