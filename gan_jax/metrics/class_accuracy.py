"""The share of images recognised as the class that was asked for."""

import numpy as np

from gan_jax.metrics.estimate import Estimate, from_share
from gan_jax.metrics.features import Features

SCORES = {'class_accuracy': True}
NEEDS = ('class_logits', 'labels')


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `class_accuracy` of the fakes, with Wilson's interval."""
  del real
  assert fake.logits is not None
  hits = np.sum(fake.logits.argmax(axis=1) == fake.labels)
  return {'class_accuracy': from_share(float(hits), len(fake.logits))}
