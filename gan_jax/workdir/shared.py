"""What a training of several hosts keeps: the first one writes, the others hear what it finds.

Only the first needs to see the workdir. On a single host these are the record and the checkpoints
themselves.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from gan_jax.errors import NotDoneError
from gan_jax.runtime import hosts, parallel
from gan_jax.runtime.tree import PyTree
from gan_jax.workdir import claim, record
from gan_jax.workdir.checkpoint import Checkpointer


def open_record(
  workdir: str, step: int, images: int, size: int, track: Sequence[str]
) -> record.Record:
  """Opens a run's record on the first host; that of the others takes lines and keeps none."""
  return hosts.together(
    lambda: (
      record.Record(workdir, step, images, size, track)
      if hosts.is_first()
      else record.Unkept(workdir)
    )
  )


class Checkpoints:
  """A `Checkpointer` that the first host has; what it reads all receive.

  Every method is called on all hosts at the same place, `close` excepted.
  """

  def __init__(self, workdir: str, keep_last: int, keep_best: int, scores: dict[int, float]):
    """As `Checkpointer`."""
    self._workdir = workdir
    self._own = hosts.together(
      lambda: Checkpointer(workdir, keep_last, keep_best, scores) if hosts.is_first() else None
    )

  def latest(self) -> int | None:
    """The newest checkpoint's step, or None."""
    return hosts.on_first(lambda: self._first.latest())

  def steps(self) -> list[int]:
    """Whole checkpoints, oldest first; on the first host."""
    return [] if self._own is None else self._own.steps()

  def restore(self, template: PyTree) -> PyTree:
    """See `Checkpointer.restore`: the newest whole one."""
    shapes = lambda: jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), template)
    found = hosts.together(lambda: self._own and self._own.restore(template))
    return hosts.of_first(found, shapes)

  def about(self, step: int) -> dict[str, Any]:
    """See `Checkpointer.about`."""
    return hosts.on_first(lambda: self._first.about(step))

  def damaged(self) -> dict[int, str]:
    """Steps that could not be read, with the reason; on the first host."""
    return {} if self._own is None else self._own.damaged

  def set_damaged_aside(self) -> None:
    """See `Checkpointer.set_damaged_aside`."""
    self._do(lambda own: own.set_damaged_aside())

  def save(self, step: int, replicated: PyTree, about: dict[str, Any]) -> None:
    """See `Checkpointer.save`; takes the state as it is on the devices."""

    def save(own: Checkpointer) -> None:
      self._look(own)
      own.save(step, parallel.to_host(replicated), about)

    self._do(save)

  def troubled(self) -> bool:
    """Whether `check` would raise, as this host knows alone."""
    try:
      if self._own is not None:
        self._look(self._own)
    except NotDoneError:
      return True
    return False

  def check(self) -> None:
    """Raises NotDoneError where a save has failed, or another process has the workdir by now."""
    self._do(self._look)

  def wait(self) -> None:
    """See `Checkpointer.wait`."""
    self._do(lambda own: own.wait())

  def close(self) -> None:
    """Frees the manager."""
    if self._own is not None:
      self._own.close()

  def _look(self, own: Checkpointer) -> None:
    claim.check_held(self._workdir)
    own.check()

  def _do(self, what: Callable[[Checkpointer], None]) -> None:
    """Does something on the first host; raises on all what it raises."""
    own = self._own
    hosts.together(lambda: None if own is None else what(own))

  @property
  def _first(self) -> Checkpointer:
    assert self._own is not None  # asked of the first host alone
    return self._own
