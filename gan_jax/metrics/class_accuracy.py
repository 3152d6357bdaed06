"""The share of images recognised as the class that was asked for."""

import numpy as np

from gan_jax.metrics.estimate import Estimate, from_share
from gan_jax.metrics.features import Features, check_labels, check_logits

SCORES = {'class_accuracy': True}
NEEDS = ('class_logits', 'labels')


def compute(real: Features, fake: Features) -> dict[str, Estimate]:
  """Returns `class_accuracy` of the fakes, and of each class asked for, with Wilson's interval."""
  del real
  labels = check_labels('generated', fake)
  right = check_logits(fake).argmax(axis=1) == labels
  found = {'class_accuracy': from_share(float(right.sum()), len(right))}
  for number in np.unique(labels):
    of_class = right[labels == number]
    found[f'class_accuracy/{number}'] = from_share(float(of_class.sum()), len(of_class))
  return found
