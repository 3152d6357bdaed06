"""Saves and restores the train state with Orbax."""

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from gan_jax.errors import UserError
from gan_jax.runtime.tree import PyTree


class _KeepBest:
  """Preserves the checkpoints with the lowest scores, which live in the run's own record."""

  def __init__(self, scores: dict[int, float], count: int):
    self._scores = scores
    self._count = count

  def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
    """Says for each checkpoint whether it stays."""
    del context
    scored = [c.step for c in checkpoints if c.step in self._scores]
    best = sorted(scored, key=lambda step: self._scores[step])[: self._count]
    return [c.step in best for c in checkpoints]


class Checkpointer:
  """The checkpoints of one run, numbered by step.

  Saving is asynchronous: it copies the state, returns, and writes beside the training. A save that
  was cut off is not among the steps.
  """

  def __init__(
    self,
    workdir: str,
    keep_last: int = 2,
    keep_best: int = 0,
    scores: dict[int, float] | None = None,
    read_only: bool = False,
  ):
    """Opens `<workdir>/checkpoints`.

    Args:
      workdir: of the run.
      keep_last: newest checkpoints kept.
      keep_best: checkpoints with the lowest score kept beside them.
      scores: by step; read at every save, so that the caller may go on filling it.
      read_only: never write, not even to clean up.
    """
    best = _KeepBest({} if scores is None else scores, keep_best)
    policies = [checkpoint_managers.LatestN(keep_last), best]
    options = ocp.CheckpointManagerOptions(
      preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
      step_format_fixed_length=9,
      cleanup_tmp_directories=not read_only,
      create=not read_only,
      read_only=read_only,
    )
    self._directory = os.path.abspath(os.path.join(workdir, 'checkpoints'))
    if read_only and not os.path.isdir(self._directory):
      raise UserError(f'--workdir={workdir}: holds no checkpoints')
    self._manager = ocp.CheckpointManager(self._directory, options=options)

  def steps(self) -> list[int]:
    """Whole checkpoints, oldest first."""
    return sorted(self._manager.all_steps())

  def latest(self) -> int | None:
    """The newest checkpoint's step, or None."""
    return self._manager.latest_step()

  def save(self, step: int, state: PyTree) -> None:
    """Starts to save a state of NumPy arrays; does nothing where the step is saved already."""
    if step not in self._manager.all_steps():
      self._manager.save(step, args=ocp.args.StandardSave(state), force=True)

  def restore(self, template: PyTree, step: int | None = None, part: bool = False) -> PyTree:
    """Reads a state of the template's shapes, as NumPy arrays.

    Args:
      template: a tree of arrays or shapes.
      step: which; None: the newest.
      part: the template is a dict of some of the state's fields, and nothing else is read.

    Raises:
      UserError: where there is no such checkpoint, or it holds other shapes than the template's.
    """
    step = self._found(step)
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
    arguments = ocp.args.StandardRestore(zeros)
    if part:
      arguments = ocp.args.PyTreeRestore(item=zeros, partial_restore=True)
    try:
      restored = self._manager.restore(step, args=arguments)
    except (ValueError, KeyError) as error:
      raise UserError(
        f'{self._directory}: the checkpoint does not fit the config: {error}'
      ) from error
    if jax.tree.map(np.shape, restored) != jax.tree.map(np.shape, zeros):
      raise UserError(f'{self._directory}: the checkpoint does not fit the config: other shapes')
    return restored

  def read(self, step: int | None = None) -> tuple[int, PyTree]:
    """Reads a checkpoint as it is: its step, and dicts and lists of NumPy arrays.

    Raises:
      UserError: where there is no such checkpoint.
    """
    step = self._found(step)
    return step, self._manager.restore(step, args=ocp.args.StandardRestore())

  def _found(self, step: int | None) -> int:
    """The step itself, or the newest; raises UserError where it is not there."""
    steps = self.steps()
    if not steps or (step is not None and step not in steps):
      what = 'any' if step is None else f'step {step}'
      found = ', '.join(map(str, steps)) or 'none'
      raise UserError(f'{self._directory}: no checkpoint of {what}; found: {found}')
    return steps[-1] if step is None else step

  def wait(self) -> None:
    """Returns when every save is whole on disk."""
    self._manager.wait_until_finished()

  def close(self) -> None:
    """Waits and frees the manager."""
    self._manager.close()
