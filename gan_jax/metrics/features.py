"""What the metrics compare: the features of two sets of images."""

from typing import NamedTuple

import numpy as np


class Features(NamedTuple):
  """A set of images as a feature network sees it.

  Attributes:
    pooled: `[N, F]`, float32.
    logits: `[N, K]` over the network's classes, or None where it has none.
    labels: the class that each image has or was asked to have, `[N]`; None without classes.
  """

  pooled: np.ndarray
  logits: np.ndarray | None = None
  labels: np.ndarray | None = None
