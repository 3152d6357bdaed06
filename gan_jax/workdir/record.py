"""The record of a run: `metrics.jsonl`, a line for each log, evaluation and event, and TensorBoard.

Several processes append to it, a training run and evaluations of its checkpoints; each holds the
record while it does, and mends what one before it left torn. The other files of a workdir have
modules of their own, whose functions are named here, too.
"""

import json
import logging
import mmap
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.workdir import trackers
from gan_jax.workdir.board import Board
from gan_jax.workdir.circumstances import (
  check_dataset,
  circumstances,
  keep_circumstances,
  keep_features,
  keep_init,
  keep_memory,
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
  'keep_memory',
  'load_config',
  'read_circumstances',
  'read_metrics',
  'undo',
  'write_atomically',
  'write_json',
]

NAME, UNDONE = 'metrics.jsonl', 'metrics.undone.jsonl'
_BLOCK = 1 << 16  # bytes of the end that are looked at first

Line = dict[str, Any]

_LOG = logging.getLogger(__name__)
_SAMPLES = re.compile(r'(\d{12})\.png')


class Record:
  """Writes `metrics.jsonl` of one run, and shows it: in TensorBoard, and where else is asked."""

  def __init__(
    self, workdir: str, step: int, images: int, size: int = 0, track: Sequence[str] = ()
  ):
    """Opens the record of a run that goes on from `step`; what came later is set aside.

    Lines go to `metrics.undone.jsonl`, grids to `samples/undone`. Where it is shorter than the
    `size`, in bytes, that it had when the step was saved, that is said. `track` names trackers, see
    `trackers`.
    """
    self.workdir = workdir
    if self.size() < size:
      _LOG.warning(
        '! %s: %d bytes are missing of what it held when step %d was saved',
        *(os.path.join(workdir, NAME), size - self.size(), step),
      )
    lines, grids = undo(workdir, step), _set_samples_aside(workdir, images)
    if lines:
      _LOG.warning(
        '! %s: %d lines of steps after %d that no checkpoint holds are in %s, %d grids in '
        'samples/undone',
        *(workdir, lines, step, UNDONE, grids),
      )
    board = Board(os.path.join(workdir, 'tensorboard'), images)
    self._shown: list[trackers.Writer] = [board, *trackers.opened(track, workdir)]

  def size(self) -> int:
    """Bytes of the lines."""
    try:
      return os.path.getsize(os.path.join(self.workdir, NAME))
    except FileNotFoundError:
      return 0

  def write(self, kind: str, step: int, images: int, values: dict[str, Any]) -> None:
    """Appends one line, and shows its numbers as `<kind>/<name>` over images shown."""
    append_line(self.workdir, kind, step, images, values)
    numbers = {f'{kind}/{k}': v for k, v in values.items() if isinstance(v, int | float)}
    for writer in self._shown:
      writer.numbers(numbers, images)

  def image(self, name: str, images: int, picture: np.ndarray) -> None:
    """Shows `[H, W, C]` uint8."""
    for writer in self._shown:
      writer.image(name, picture, images)

  def close(self) -> None:
    """Ends what the run is shown in."""
    for writer in self._shown:
      writer.close()


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


def read_metrics(workdir: str, kind: str | None = None, start: int = 0) -> list[Line]:
  """Reads the lines, of one kind or all; a torn last one is left out.

  Args:
    workdir: of the run.
    kind: of the lines; no others are looked into.
    start: bytes of the file that are left out; where no line ends there, none is.

  Raises:
    UserError: for a line that is none, by its number.
  """
  path = os.path.join(workdir, NAME)
  try:
    with open(path, 'rb') as file:
      if not os.fstat(file.fileno()).st_size:
        return []
      with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = start if start and data[start - 1 : start] == b'\n' else 0
        places = _lines(data, start) if kind is None else _lines_of_kind(data, kind, start)
        return [line for _, line in _parsed(path, data, places)]
  except FileNotFoundError:
    return []
  except OSError as error:
    raise UserError(f'{path}: cannot be read: {error.strerror}') from error


def undo(workdir: str, step: int) -> int:
  """Moves the lines of later steps to `metrics.undone.jsonl`; returns how many.

  They come after the last line of training up to that step, so that no more is read.

  Raises:
    UserError: for a line that is none.
    OSError: where it cannot be written.
  """
  path = os.path.join(workdir, NAME)
  text = lambda lines: ''.join(json.dumps(line) + '\n' for line in lines)
  with writing(workdir), open(path, 'a+b') as file:
    lines = _after_training(path, file, step)
    undone = [line for _, line in lines if line['step'] > step]
    if not undone:
      return 0
    _append(workdir, UNDONE, text(undone))
    first = next(place for place, line in lines if line['step'] > step)
    kept = text(line for place, line in lines if place > first and line['step'] <= step)
    # What came meanwhile from a writer whose lock does not reach this machine.
    late = file.read().decode(errors='replace')
    if kept:
      file.seek(0)
      write_atomically(path, file.read(first).decode(errors='replace') + kept)
    else:
      file.truncate(first)
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
    undone = os.path.join(folder, 'undone')
    os.makedirs(undone, exist_ok=True)
    os.replace(path, os.path.join(undone, name))
    beside = name.removesuffix('.png')  # images of it in full size, where they are large
    if os.path.isdir(os.path.join(folder, beside)):
      shutil.rmtree(os.path.join(undone, beside), ignore_errors=True)
      os.replace(os.path.join(folder, beside), os.path.join(undone, beside))
  return len(later)


def _append(workdir: str, name: str, text: str) -> None:
  with writing(workdir), open(os.path.join(workdir, name), 'a+b') as file:
    _mend(file)
    file.write(text.encode())


def _mend(file: Any) -> None:
  """Ends a last line that is whole but for its end, and takes off one that is torn."""
  place, last = _from_line(file, 1)
  if not last or last.endswith(b'\n'):
    return
  begin = last.rfind(b'\n') + 1
  if _line(last[begin:]) is None:
    file.truncate(place + begin)
  else:
    file.write(b'\n')


def _from_line(file: Any, length: int) -> tuple[int, bytes]:
  """The end of a file from the beginning of a line, at least `length` bytes or all of it."""
  size = file.seek(0, os.SEEK_END)
  while True:
    start = max(0, size - length)
    file.seek(start)
    data = file.read()
    cut = data.find(b'\n', 0, len(data) - 1) + 1 if start else 0
    if cut or not start:
      return start + cut, data[cut:]
    length = max(_BLOCK, 4 * length)


def _after_training(path: str, file: Any, step: int) -> list[tuple[int, Line]]:
  """The lines after the last one of training up to a step, and where in the file each begins."""
  length = _BLOCK
  while True:
    start, data = _from_line(file, length)
    found: list[tuple[int, Line]] = []
    for place, line in reversed(list(_parsed(path, data, _lines(data), start))):
      if line['kind'] == 'train' and line['step'] <= step:
        return found[::-1]
      found.append((start + place, line))
    if not start:
      return found[::-1]
    length *= 4


def _lines(data: Any, place: int = 0) -> Iterator[tuple[int, bytes]]:
  """The lines of a file from a place on, each with its own place and its end."""
  while place < len(data):
    end = data.find(b'\n', place) + 1 or len(data)
    yield place, data[place:end]
    place = end


def _lines_of_kind(data: Any, kind: str, start: int) -> Iterator[tuple[int, bytes]]:
  begins = b'{"kind": %s,' % json.dumps(kind).encode()
  place = data.find(begins, start)
  while place >= 0:
    end = data.find(b'\n', place) + 1 or len(data)
    if place == 0 or data[place - 1 : place] == b'\n':
      yield place, data[place:end]
    place = data.find(begins, end)


def _parsed(
  path: str, data: Any, texts: Iterable[tuple[int, bytes]], start: int = 0
) -> Iterator[tuple[int, Line]]:
  """Lines of the record with their places in `data`, which begins at `start` of the file."""
  for place, text in texts:
    line = _line(text) if text.strip() else None
    if line is not None:
      yield place, line
    elif text.strip() and text.endswith(b'\n'):
      with open(path, 'rb') as file:
        number = file.read(start + place).count(b'\n') + 1
      raise UserError(
        f'{path}: line {number} is none of a record ({text[:40]!r}); take it out to go on'
      )


def _line(text: bytes) -> Line | None:
  """A line of the record, or None where it is something else."""
  try:
    found = json.loads(text)
  except ValueError:
    return None
  whole = isinstance(found, dict) and isinstance(found.get('kind'), str)
  numbers = whole and all(isinstance(found.get(name), int) for name in ('step', 'images'))
  return found if numbers else None
