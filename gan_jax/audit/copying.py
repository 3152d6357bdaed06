"""Tells copies of a subject's training images from images that are as unseen ones."""

import numpy as np

from gan_jax.audit import views
from gan_jax.audit.subject import Subject
from gan_jax.audit.views import Units, View
from gan_jax.metrics import conformal, copies


class Detector:
  """Tells copies of training images, calibrated on held-out ones.

  Attributes:
    views: ways of comparing.
    units: held-out images that it is calibrated on.
    holdout: what each view says of all held-out images.
    groups: of the training images, `[M]`, or None.
    several: whether there are groups of several images, and more than two of them.
    in_both: held-out images that are training images, bool `[n]`.
  """

  def __init__(self, subject: Subject, level: float):
    """Compares the held-out images with the training images.

    Raises:
      UserError: for a level that is none, or no held-out images.
    """
    names = views.networks(subject, 2)
    self.views = [views.by_pixels(subject), *(views.by_network(subject, name) for name in names)]
    self.groups = subject.train.groups(subject.train_rows)
    self.several = self.groups is not None and 2 < len(np.unique(self.groups)) < len(self.groups)
    self.holdout = [self._near(view, view.found.holdout.pooled) for view in self.views]
    self.in_both = views.same(self.holdout[0])
    self.units: Units = views.units(subject, level, self.in_both)

  def generated(self) -> tuple[list[copies.Near], np.ndarray]:
    """What each view says of the subject's images, and p-values `[N]`."""
    return self.judged([view.found.generated.pooled for view in self.views])

  def p_values(self, images: np.ndarray) -> np.ndarray:
    """P-values `[N]` of images `[N, H, W, C]`: small for copies."""
    return self.judged([view.see(images) for view in self.views])[1]

  def judged(self, seen: list[np.ndarray]) -> tuple[list[copies.Near], np.ndarray]:
    """Of images as each view sees them."""
    found = [self._near(view, each) for view, each in zip(self.views, seen, strict=True)]
    return found, conformal.p_values(scores_of(found), self.calibration)

  @property
  def calibration(self) -> np.ndarray:
    """Scores of the held-out images that it is calibrated on, `[n, V]`."""
    return scores_of(self.holdout)[self.units.rows]

  def _near(self, view: View, x: np.ndarray, own: np.ndarray | None = None) -> copies.Near:
    return view.near(x, view.found.train.pooled, self.groups, own)

  def among_training(self) -> np.ndarray:
    """Scores `[M, V]` of training images by those of other groups."""
    near = [self._near(view, view.found.train.pooled, self.groups) for view in self.views]
    return scores_of(near)


def scores_of(found: list[copies.Near]) -> np.ndarray:
  """The scores `[N, V]` that p-values are of, the greater the more suspicious."""
  return -np.stack([near.closeness for near in found], axis=1)
