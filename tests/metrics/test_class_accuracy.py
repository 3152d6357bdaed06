import numpy as np

from gan_jax.metrics import class_accuracy
from gan_jax.metrics.features import Features

REAL = Features(np.zeros((1, 2)), None, None)


def test_it_is_the_share_of_logits_that_peak_at_the_label():
  logits = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 3.0], [5.0, 0.0, 0.0]])
  fake = Features(np.zeros((4, 2)), logits, np.array([0, 1, 2, 1]))
  assert class_accuracy.compute(REAL, fake) == {'class_accuracy': 0.75}


def test_without_classes_there_is_no_such_score():
  assert class_accuracy.compute(REAL, Features(np.zeros((4, 2)), None, np.zeros(4))) == {}
  assert class_accuracy.compute(REAL, Features(np.zeros((4, 2)), np.zeros((4, 3)), None)) == {}
