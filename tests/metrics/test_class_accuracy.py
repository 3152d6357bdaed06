import numpy as np

from gan_jax.metrics import class_accuracy
from gan_jax.metrics.estimate import from_share
from gan_jax.metrics.features import Features

REAL = Features(np.zeros((1, 2)), None, None)


def test_it_is_the_share_of_logits_that_peak_at_the_label_in_all_and_in_each_class():
  logits = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 3.0], [5.0, 0.0, 0.0]])
  fake = Features(np.zeros((4, 2)), logits, np.array([0, 1, 2, 1]))
  assert class_accuracy.compute(REAL, fake) == {
    'class_accuracy': from_share(3, 4),
    'class_accuracy/0': from_share(1, 1),
    'class_accuracy/1': from_share(1, 2),
    'class_accuracy/2': from_share(1, 1),
  }


def test_the_interval_holds_the_truth_as_often_as_it_says(coverage):
  def once(rng):
    labels = rng.integers(10, size=500)
    seen = np.where(rng.random(500) < 0.9, labels, (labels + 1) % 10)
    fake = Features(np.zeros((500, 2)), np.eye(10)[seen], labels)
    return class_accuracy.compute(REAL, fake)['class_accuracy']

  assert 0.93 <= coverage(once, 0.9) <= 0.97
