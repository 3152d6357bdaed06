"""The share of images recognised as the class that was asked for."""

import numpy as np

from gan_jax.metrics.features import Features

HIGHER_IS_BETTER = True


def compute(real: Features, fake: Features) -> dict[str, float]:
  """Returns `class_accuracy` of the fakes; nothing where classes or their logits are missing."""
  del real
  if fake.logits is None or fake.labels is None:
    return {}
  return {'class_accuracy': float(np.mean(fake.logits.argmax(axis=1) == fake.labels))}
