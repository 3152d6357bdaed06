"""The record of a run: `metrics.jsonl`, a line for each log, evaluation and event, and TensorBoard.

Several processes append to it, a training run and evaluations of its checkpoints; each holds the
record while it does, and mends what one before it left torn. The other files of a workdir have
modules of their own, whose functions are named here, too.
"""

import json
import logging
import os
import re
import time
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.workdir.board import Board
from gan_jax.workdir.circumstances import (
  check_dataset,
  circumstances,
  keep_circumstances,
  keep_features,
  keep_init,
  read_circumstances,
)
from gan_jax.workdir.claim import claim, writing
from gan_jax.workdir.config_file import as_json, keep_config, load_config
from gan_jax.workdir.files import write_atomically, write_json

__all__ = [
  'Record',
  'Unkept',
  'append_line',
  'as_json',
  'check_dataset',
  'circumstances',
  'claim',
  'keep_circumstances',
  'keep_config',
  'keep_features',
  'keep_init',
  'load_config',
  'read_circumstances',
  'read_metrics',
  'undo',
  'write_atomically',
  'write_json',
]

NAME, UNDONE = 'metrics.jsonl', 'metrics.undone.jsonl'

Line = dict[str, Any]

_LOG = logging.getLogger(__name__)
_SAMPLES = re.compile(r'(\d{12})\.png')


class Record:
  """Writes `metrics.jsonl` and TensorBoard events of one run."""

  def __init__(self, workdir: str, step: int, images: int):
    """Opens the record of a run that goes on from `step`; what came later is set aside.

    Lines go to `metrics.undone.jsonl`, grids to `samples/undone`.
    """
    self.workdir = workdir
    lines, grids = undo(workdir, step), _set_samples_aside(workdir, images)
    if lines:
      _LOG.warning(
        '! %s: %d lines of steps after %d that no checkpoint holds are in %s, %d grids in '
        'samples/undone',
        *(workdir, lines, step, UNDONE, grids),
      )
    self._board = Board(os.path.join(workdir, 'tensorboard'), images)

  def write(self, kind: str, step: int, images: int, values: dict[str, Any]) -> None:
    """Appends one line, and numbers as TensorBoard scalars `<kind>/<name>` over images shown."""
    append_line(self.workdir, kind, step, images, values)
    for name, value in values.items():
      if isinstance(value, int | float):
        self._board.scalar(f'{kind}/{name}', value, images)
    self._board.flush()

  def image(self, name: str, images: int, picture: np.ndarray) -> None:
    """Shows `[H, W, C]` uint8 in TensorBoard."""
    self._board.image(name, picture, images)
    self._board.flush()

  def close(self) -> None:
    """Flushes and closes the TensorBoard events."""
    self._board.close()


class Unkept(Record):
  """The record of a host that is not the one to write it: takes everything and keeps nothing."""

  def __init__(self, workdir: str):
    """Opens nothing."""
    self.workdir = workdir

  def write(self, kind: str, step: int, images: int, values: dict[str, Any]) -> None:
    """Does nothing."""

  def image(self, name: str, images: int, picture: np.ndarray) -> None:
    """Does nothing."""

  def close(self) -> None:
    """Does nothing."""


def append_line(workdir: str, kind: str, step: int, images: int, values: Line) -> None:
  """Appends one line, whole even where others append at the same time or the last one is torn.

  Raises:
    OSError: where it cannot be written.
  """
  line = {'kind': kind, 'step': step, 'images': images, 'time': round(time.time(), 3), **values}
  _append(workdir, NAME, json.dumps(line) + '\n')


def read_metrics(workdir: str, kind: str | None = None) -> list[Line]:
  """Reads the lines, of one kind or all; a torn last one is left out.

  Raises:
    UserError: for a line that is none, by its number.
  """
  path = os.path.join(workdir, NAME)
  try:
    with open(path, 'rb') as file:
      found = _parsed(path, file.read())
  except FileNotFoundError:
    return []
  except OSError as error:
    raise UserError(f'{path}: cannot be read: {error.strerror}') from error
  return [line for line in found if kind is None or line['kind'] == kind]


def undo(workdir: str, step: int) -> int:
  """Moves the lines of later steps to `metrics.undone.jsonl`; returns how many.

  Raises:
    UserError: for a line that is none.
    OSError: where it cannot be written.
  """
  path = os.path.join(workdir, NAME)
  text = lambda lines: ''.join(json.dumps(line) + '\n' for line in lines)
  with writing(workdir):
    open(path, 'ab').close()
    with open(path, 'rb') as file:
      lines = _parsed(path, file.read())
      undone = [line for line in lines if line['step'] > step]
      if undone:
        _append(workdir, UNDONE, text(undone))
      write_atomically(path, text(line for line in lines if line['step'] <= step))
      # What came meanwhile from a writer whose lock does not reach this machine.
      late = file.read().decode(errors='replace')
    if late.strip():
      _append(workdir, NAME, late)
  return len(undone)


def sample_grids(workdir: str) -> list[tuple[int, str]]:
  """The grids of generated images, in order: images shown until then, and the file's path."""
  folder = os.path.join(workdir, 'samples')
  names = os.listdir(folder) if os.path.isdir(folder) else []
  found = ((_SAMPLES.fullmatch(name), os.path.join(folder, name)) for name in names)
  return sorted((int(match[1]), path) for match, path in found if match)


def _set_samples_aside(workdir: str, images: int) -> int:
  """Moves grids of more images than were shown to `samples/undone`; returns how many."""
  later = [path for number, path in sample_grids(workdir) if number > images]
  for path in later:
    folder, name = os.path.split(path)
    os.makedirs(os.path.join(folder, 'undone'), exist_ok=True)
    os.replace(path, os.path.join(folder, 'undone', name))
  return len(later)


def _append(workdir: str, name: str, text: str) -> None:
  with writing(workdir), open(os.path.join(workdir, name), 'a+b') as file:
    _mend(file)
    file.write(text.encode())


def _mend(file: Any) -> None:
  """Ends a last line that is whole but for its end, and takes off one that is torn."""
  end = file.seek(0, os.SEEK_END)
  if not end:
    return
  file.seek(end - 1)
  if file.read() == b'\n':
    return
  file.seek(0)
  whole, _, last = file.read().rpartition(b'\n')
  if _line(last) is None:
    file.truncate(len(whole) + 1 if whole else 0)
  else:
    file.write(b'\n')


def _parsed(path: str, data: bytes) -> list[Line]:
  parsed = []
  texts = data.split(b'\n')
  for number, text in enumerate(texts, start=1):
    line = _line(text) if text.strip() else None
    if line is not None:
      parsed.append(line)
    elif text.strip() and number < len(texts):
      raise UserError(
        f'{path}: line {number} is none of a record ({text[:40]!r}); take it out to go on'
      )
  return parsed


def _line(text: bytes) -> Line | None:
  """A line of the record, or None where it is something else."""
  try:
    found = json.loads(text)
  except ValueError:
    return None
  whole = isinstance(found, dict) and isinstance(found.get('kind'), str)
  numbers = whole and all(isinstance(found.get(name), int) for name in ('step', 'images'))
  return found if numbers else None
