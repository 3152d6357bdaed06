"""Saves and restores the train state with Orbax, and sees that what is read is what was saved."""

import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from gan_jax.errors import STOPS, NonFiniteError, NotDoneError, UserError, of_the_system
from gan_jax.runtime.tree import PyTree

_LOG = logging.getLogger(__name__)
_STATE, _ABOUT = 'default', 'about'  # the folders of a checkpoint
DIGESTS = 'sha256'
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
_OF_ABOUT, _OF_SHAPES = 'sha256_about', 'sha256_shapes'


class _DamagedError(Exception):
  """A checkpoint cannot be read, or is not what was saved."""


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
  was cut off is not among the steps. Each holds digests of its arrays, so that a damaged one is
  known for what it is, and what the caller wants to know of it besides.

  Attributes:
    damaged: steps that could not be read, with the reason.
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

    Raises:
      UserError: where it is read only and there is none.
    """
    best = _KeepBest({} if scores is None else scores, keep_best)
    # Of several hosts each that opens one reads or writes by itself, and waits for no other.
    host = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(host, {host}, f'host{host}')
    policies = [checkpoint_managers.LatestN(keep_last), best]
    options = ocp.CheckpointManagerOptions(
      preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
      step_format_fixed_length=9,
      cleanup_tmp_directories=not read_only,
      create=False,
      read_only=read_only,
      multiprocessing_options=alone,
    )
    self.damaged: dict[int, str] = {}
    self._workdir, self._read_only = workdir, read_only
    self._directory = os.path.abspath(os.path.join(workdir, 'checkpoints'))
    self._read_back = False
    self._begun: int | None = None  # the step of a save that may still go on
    self._failure: NotDoneError | None = None
    if read_only and not os.path.isdir(self._directory):
      raise UserError(f'--workdir={workdir}: holds no checkpoints')
    if not read_only:
      os.makedirs(self._directory, exist_ok=True)
    handlers = {
      _STATE: ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
      _ABOUT: ocp.JsonCheckpointHandler(multiprocessing_options=alone),
    }
    self._manager = ocp.CheckpointManager(self._directory, options=options, item_handlers=handlers)

  def steps(self) -> list[int]:
    """Whole checkpoints, oldest first."""
    return sorted(self._manager.all_steps())

  def latest(self) -> int | None:
    """The newest checkpoint's step, or None."""
    return self._manager.latest_step()

  def save(self, step: int, state: PyTree, about: dict[str, Any] | None = None) -> None:
    """Starts to save a state of NumPy arrays; does nothing where the step is saved already.

    The first save of a start is waited for and read back: what is wrong with the place is known
    before hours are spent.

    Args:
      step: its number.
      state: to be saved.
      about: what `about` gives back, of JSON's types.

    Raises:
      NonFiniteError: for a state with a value that is not finite; nothing is saved.
      UserError: for a place from which it cannot be read back.
      ValueError: where this was opened to read alone.
    """
    self._check_writes()
    if step in self._manager.all_steps():
      return
    state = jax.tree.map(np.asarray, state)  # a NumPy scalar would come back as a number of Python
    leaves = _leaves(state)
    for path, leaf in leaves.items():
      if not np.all(np.isfinite(leaf)):
        raise NonFiniteError(f'{path} has values that are not finite')
    digests = {path: _digest(leaf) for path, leaf in leaves.items()}
    about = {**(about or {}), DIGESTS: digests, _OF_SHAPES: _digest_of_shapes(leaves)}
    items = {
      _STATE: ocp.args.PyTreeSave(state),
      _ABOUT: ocp.args.JsonSave({**about, _OF_ABOUT: _digest_of_json(about)}),
    }
    self.wait()
    with self._saving(step):
      self._manager.save(step, args=ocp.args.Composite(**items), force=True)
      self._begun = step
    if not self._read_back:
      self.wait()
      try:
        self._verified(step, state, part=False)
      except _DamagedError as error:
        raise UserError(
          f'{self._directory}: what was saved there cannot be read back: {error}'
        ) from error
      self._read_back = True

  def restore(self, template: PyTree, step: int | None = None, part: bool = False) -> PyTree:
    """Reads a state of the template's shapes, as NumPy arrays.

    Where the newest is damaged, the newest whole one is taken, with a word about it.

    Args:
      template: a tree of arrays or shapes.
      step: which; None: the newest.
      part: the template is a dict of some of the state's fields, and nothing else is read.

    Raises:
      UserError: where there is no such checkpoint, it is damaged, or it holds other shapes or types
        than the template's.
    """
    return self._first_whole(step, lambda found: self._verified(found, template, part))[1]

  def read(self, step: int | None = None) -> tuple[int, PyTree]:
    """Reads a checkpoint as it is: its step, and dicts and lists of NumPy arrays.

    Raises:
      UserError: where there is no such checkpoint, or it is damaged.
    """
    return self._first_whole(step, lambda found: self._verified(found, None, part=False))

  def about(self, step: int) -> dict[str, Any]:
    """What was saved beside a state; {} where that is damaged."""
    try:
      return self._about(step)
    except _DamagedError:
      return {}

  def find(self, number: int) -> int:
    """The step that a user means by a number: a step, or the images that were shown before it.

    Raises:
      UserError: where there is no such checkpoint; names those that there are.
    """
    steps = self.steps()
    if number in steps:
      return number
    images = {step: self.about(step).get('images') for step in steps}
    for step, shown in images.items():
      if shown == number:
        return step
    say = lambda step, shown: f'{step}' if shown is None else f'{step} ({shown:,} images)'
    found = ', '.join(say(*each) for each in images.items()) or 'none'
    raise UserError(f'{self._directory}: no checkpoint of step {number}; found: {found}')

  def set_damaged_aside(self) -> None:
    """Moves what was found damaged to `<workdir>/damaged`, so that its step can be saved again.

    Raises:
      ValueError: where this was opened to read alone.
    """
    self._check_writes()
    self._manager.wait_until_finished()
    for step in self.damaged:
      name = f'{step:09d}'
      aside = os.path.join(self._workdir, 'damaged', name)
      number = 0
      while os.path.exists(aside):
        number += 1
        aside = os.path.join(self._workdir, 'damaged', f'{name}.{number}')
      os.makedirs(os.path.dirname(aside), exist_ok=True)
      os.rename(os.path.join(self._directory, name), aside)
    if self.damaged:
      self._manager.reload()

  def wait(self) -> None:
    """Returns when every save is whole on disk.

    Raises:
      NotDoneError: where one has failed; says which is the newest whole one.
    """
    if self._failure is not None:
      raise self._failure
    with self._saving(self._begun):
      self._manager.wait_until_finished()
    self._begun = None

  def check(self) -> None:
    """Raises NotDoneError where a save has failed; waits for none that goes on."""
    if self._begun is not None and not self._manager.is_saving_in_progress():
      self.wait()

  def close(self) -> None:
    """Waits and frees the manager."""
    # What has failed is told already, and would be told once more.
    with contextlib.suppress(*([] if self._failure is None else [Exception])):
      self._manager.close()

  def _check_writes(self) -> None:
    # Orbax's own read_only does not hold it back from saving by force.
    if self._read_only:
      raise ValueError(f'{self._directory}: opened to be read alone')

  @contextlib.contextmanager
  def _saving(self, step: int | None) -> Iterator[None]:
    """Says of whatever a save raises which checkpoint there is instead."""
    try:
      yield
    except STOPS:
      raise
    except Exception as error:  # of the disk, of the libraries in between
      whole = [each for each in self.steps() if each != step]
      kept = f'the newest one is of step {whole[-1]}' if whole else 'there is none before'
      refused = of_the_system(error, _REFUSALS)
      why = os.strerror(refused.errno) if refused and refused.errno else _short(error)
      self._failure = NotDoneError(
        f'{self._directory}: step {step} could not be saved: {why}; {kept}, and with '
        'that mended the same command goes on'
      )
      raise self._failure from error

  def _first_whole(self, step: int | None, read: Any) -> tuple[int, PyTree]:
    """The asked step, or the newest that `read` does not find damaged, and what it read."""
    steps = self.steps()
    if not steps or (step is not None and step not in steps):
      what = 'any' if step is None else f'step {step}'
      found = ', '.join(map(str, steps)) or 'none'
      raise UserError(f'{self._directory}: no checkpoint of {what}; found: {found}')
    for candidate in reversed(steps) if step is None else [step]:
      try:
        result = read(candidate)
      except _DamagedError as error:
        self.damaged[candidate] = str(error)
        continue
      for bad, why in self.damaged.items():
        _LOG.warning(
          '! %s: the checkpoint of step %d is damaged (%s); that of step %d is taken',
          *(self._directory, bad, why, candidate),
        )
      return candidate, result
    told = '; '.join(f'step {bad}: {why}' for bad, why in self.damaged.items())
    whole = ', '.join(str(each) for each in steps if each not in self.damaged) or 'none'
    raise UserError(f'{self._directory}: damaged: {told}; others: {whole}')

  def _verified(self, step: int, template: PyTree | None, part: bool) -> PyTree:
    """Reads a checkpoint; raises _DamagedError for one that is not what was saved."""
    about = self._about(step)
    try:
      found = _leaves(self._manager.item_metadata(step)[_STATE].tree)
    except Exception as error:  # a damaged file may raise anything
      raise _DamagedError(_short(error)) from error
    if about.get(_OF_SHAPES, '') not in ('', _digest_of_shapes(found)):
      raise _DamagedError('its metadata are not what was saved')
    if template is not None:
      self._check_shapes(_leaves(template), found, part)
      template = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
    arguments = ocp.args.PyTreeRestore(item=template, partial_restore=part)
    try:
      state = self._manager.restore(step, args=ocp.args.Composite(**{_STATE: arguments}))[_STATE]
    except Exception as error:  # a damaged file may raise anything
      if template is not None and self._is_whole(step):
        raise UserError(
          f'{self._directory}: the checkpoint does not fit the config: {_short(error)}'
        ) from error
      raise _DamagedError(_short(error)) from error
    for path, leaf in _leaves(state).items():
      if about[DIGESTS].get(path) != _digest(leaf):
        raise _DamagedError(f'{path} is not what was saved')
    return state

  def _is_whole(self, step: int) -> bool:
    """Whether a checkpoint is what was saved, whatever its form."""
    try:
      self._verified(step, None, part=False)
    except _DamagedError:
      return False
    return True

  def _about(self, step: int) -> dict[str, Any]:
    """What was saved beside a state; raises _DamagedError where it is not there as it was."""
    items = ocp.args.Composite(**{_ABOUT: ocp.args.JsonRestore()})
    try:
      found = dict(self._manager.restore(step, args=items)[_ABOUT])
      found[DIGESTS]
    except Exception as error:  # a damaged file may raise anything
      raise _DamagedError(f'what is told beside it cannot be read: {_short(error)}') from error
    if not {_OF_ABOUT, _OF_SHAPES} & found.keys():
      return found  # of before 2026-11-29: arrays alone have digests
    if found.pop(_OF_ABOUT, None) != _digest_of_json(found):
      raise _DamagedError('what is told beside it is not what was saved')
    return found

  def _check_shapes(self, asked: dict[str, Any], found: dict[str, Any], part: bool) -> None:
    """Raises UserError where a checkpoint has other leaves, shapes or types than asked for."""
    if part:
      found = {path: leaf for path, leaf in found.items() if path in asked}
    others = [
      f'{path}: {_shape(found.get(path))} is saved, {_shape(asked.get(path))} asked for'
      for path in sorted({*asked, *found})
      if _shape(found.get(path)) != _shape(asked.get(path))
    ]
    if others:
      more = f' and {len(others) - 3} more' if len(others) > 3 else ''
      raise UserError(
        f'{self._directory}: the checkpoint does not fit the config: {"; ".join(others[:3])}{more}'
      )


def _leaves(tree: PyTree) -> dict[str, Any]:
  """The leaves of a tree by path, such as generator/params/conv1/kernel."""
  flat, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator='/'): leaf for path, leaf in flat}


def _shape(leaf: Any) -> str:
  return 'nothing' if leaf is None else f'{np.dtype(leaf.dtype)} {list(leaf.shape)}'


def _digest_of_shapes(leaves: dict[str, Any]) -> str:
  return _digest_of_json({path: _shape(leaf) for path, leaf in leaves.items()})


def _digest_of_json(content: dict[str, Any]) -> str:
  return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _digest(leaf: Any) -> str:
  array = np.ascontiguousarray(leaf)
  plain = array.ndim and array.dtype.kind != 'V'  # bfloat16 has no buffer that is read as it is
  return hashlib.sha256(array.data if plain else array.tobytes()).hexdigest()[:16]


def _short(error: Exception) -> str:
  """The beginning of a library's message."""
  text = ' '.join(str(error).split()) or type(error).__name__
  return text if len(text) < 160 else text[:160] + '…'
