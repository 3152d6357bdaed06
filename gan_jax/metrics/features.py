"""What the metrics compare: the features of two sets of images."""

from typing import NamedTuple

import numpy as np


class Features(NamedTuple):
  """A set of images as a feature network sees it.

  Attributes:
    pooled: `[N, F]`.
    logits: `[N, num_classes]` over the dataset's classes, or None where the network knows others.
    labels: the class that each image has or was asked to have, `[N]`; None without classes.
  """

  pooled: np.ndarray
  logits: np.ndarray | None
  labels: np.ndarray | None
