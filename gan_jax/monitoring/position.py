"""Where a run is, and what is due there: lengths and intervals count images, a run counts steps."""


class Position:
  """The step that a run is at, from where it began to its last one.

  Attributes:
    step: that was made last.
    began_at: step and images at which this start began.
    last: the step that the run ends with.
  """

  def __init__(self, step: int, images: int, per_step: int, length: int):
    """Begins there.

    Args:
      step: at which this start begins.
      images: that were shown until then.
      per_step: images that a step shows.
      length: images of the whole run; the step that reaches it is the last.
    """
    self.step, self.began_at, self._per_step = step, (step, images), per_step
    self.last = step + -(-max(0, length - images) // per_step)

  def images(self, step: int | None = None) -> int:
    """How many images were shown until a step, or until now."""
    first, images = self.began_at
    return images + ((self.step if step is None else step) - first) * self._per_step

  def due(self, interval: int, step: int | None = None) -> bool:
    """Whether a step is the first at or past a multiple of an interval in images, or the last."""
    step = self.step if step is None else step
    crossed = self.images(step) // interval > self.images(step - 1) // interval
    return step > 0 and (crossed or step == self.last)

  def end_here(self) -> None:
    """Makes this step the last one."""
    self.last = self.step
