"""Classification accuracy score (Ravuri and Vinyals, arXiv:1905.10887).

A classifier is trained on generated images with the classes that were asked for, and tried on real
images kept from training. It falls where classes are mixed up and, unlike the share of samples that
are recognised, where a class has less variety than it should. The classifier is that of
`gan_jax.features.classifier` with fewer training images, trained anew at each evaluation; the same
score of real training images says what it can reach.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.features import classifier
from gan_jax.metrics.estimate import Estimate, from_share

SCORES = {'cas': True}
NEEDS = ('images',)

# A quarter of the images, at twice the rate: 4,000 real digits of 32 pixels teach it 97.8 % of the
# held-out ones, the full recipe 98.6 %, in a quarter of the updates.
_RECIPE = classifier.RECIPE._replace(images=20_000, passes=0, learning_rate=4e-3)


def compute(
  images: np.ndarray,
  labels: np.ndarray,
  test_images: np.ndarray,
  test_labels: np.ndarray,
  num_classes: int,
) -> dict[str, Estimate]:
  """Trains on the first set and tries on the second; the same input gives the same score.

  Args:
    images: generated, `[N, H, W, C]`, uint8 or uint16.
    labels: the class that each was asked to have, `[N]`.
    test_images: real, `[M, H, W, C]`, of the same type, kept from training.
    test_labels: their classes, `[M]`.
    num_classes: of the dataset.

  Returns:
    `cas`, and `cas/<class>` of each class among the test images. Wilson's intervals tell how sure
    the shares are for M test images, not how they change with the images trained on.

  Raises:
    UserError: where a class has no image to train on, or there is none to be tried on.
  """
  missing = np.setdiff1d(np.arange(num_classes), labels)
  if len(missing):
    raise UserError(
      f'cas: of {len(images)} generated images none is of class {missing[0]}; needed: at least 1 '
      f'of each of the {num_classes} classes'
    )
  if not len(test_images):
    raise UserError('cas: 0 held-out real images; needed: at least 1')
  model = classifier.Classifier(num_classes, _RECIPE)
  params = classifier.fit(model, _reader(images, labels), len(images))
  predicted, truth = classifier.predict(
    lambda batch: classifier.run(model, params, batch)[1],
    _reader(test_images, test_labels),
    len(test_images),
  )
  right = predicted == truth
  scores = {'cas': from_share(float(right.sum()), len(right))}
  for label in np.unique(truth):
    own = right[truth == label]
    scores[f'cas/{label}'] = from_share(float(own.sum()), len(own))
  return scores


def _reader(images: np.ndarray, labels: np.ndarray) -> classifier.Fetch:
  return lambda rows: {'image': images[rows], 'label': labels[rows]}
