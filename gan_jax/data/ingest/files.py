"""The files of a source, how each is read within bounds, and how their names are shown."""

import contextlib
import io
import os
import pathlib
import threading
import types
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from gan_jax.data.ingest import pairs
from gan_jax.data.ingest.picture import RefusedError, first_line

MAX_FILE_BYTES = 2**30  # a file, or what an archive claims that one holds
MAX_TABLE_BYTES = 2**28  # a label file
MAX_IMAGES = 2**21  # of one container: a small file may claim more than can be listed
TOO_LARGE = '{:,} bytes; at most ' + f'{MAX_FILE_BYTES:,}'
_PIECE = 2**20  # bytes that are expanded at a time
_OPEN = 16  # containers that are open at once: a source may be thousands of them
# What lies beside images and is none: not tried, but told of.
_BESIDE = (
  '.csv', '.db', '.doc', '.docx', '.htm', '.html', '.ini', '.ipynb', '.json', '.jsonl', '.log',
  '.lut', '.md', '.ndjson', '.pdf', '.pptx', '.py', '.tsv', '.txt', '.xls', '.xlsx', '.xml',
  '.yaml', '.yml',
)  # fmt: skip
_BREAKS = ('Cc', 'Zl', 'Zp')  # kinds of characters that control a terminal or end a line
_NO_ROW: Mapping[str, str] = types.MappingProxyType({})


class File(NamedTuple):
  """One file of a source, or one image of a file that holds many.

  Attributes:
    name: its path in the source, with `/`, in Unicode's composed form.
    read: returns what it holds: bytes as stored, or decoded pixels `[H, W, C]`.
    label: its class, where the source itself knows it.
    split: its split, likewise.
    stamp: changes when the file does.
    group: what it must not be parted from, likewise.
    part_of: name of the file that it is a part of, or ''.
    size: bytes that reading it takes, or 0 where they are few.
    row: what else the source knows of it, by column, its class among it.
  """

  name: str
  read: Callable[[], bytes | np.ndarray]
  label: str = ''
  split: str = ''
  stamp: str = ''
  group: str = ''
  part_of: str = ''
  size: int = 0
  row: Mapping[str, str] = _NO_ROW


class Source(NamedTuple):
  """All files of a source.

  Attributes:
    files: in an order that is the same every time; reading in that order is the fast way.
    refused: name and reason of what must not be read, such as a path out of an archive.
    beside: what is not meant to be an image, by name, and how to read it: a label file maybe.
  """

  files: list[File]
  refused: list[tuple[str, str]]
  beside: dict[str, Callable[[], bytes]]

  def within(self, folder: str) -> 'Source':
    """The same, lying in a folder of another source."""
    inner = lambda name: f'{folder}/{name}'
    return Source(
      [
        file._replace(name=inner(file.name), part_of=file.part_of and inner(file.part_of))
        for file in self.files
      ],
      [(inner(name), reason) for name, reason in self.refused],
      {inner(name): read for name, read in self.beside.items()},
    )

  def checked(self) -> 'Source':
    """Without second files of one name, which composed and decomposed Unicode can bring about.

    Volumes that lie in two files are one.
    """
    seen: set[str] = set()
    files, refused = [], list(self.refused)
    for file in self.files:
      if file.name in seen:
        refused.append((file.name, 'a second file of that name'))
      else:
        seen.add(file.name)
        files.append(file)
    return Source(pairs.joined(files), refused, self.beside)


def check_table(size: int) -> None:
  """Raises RefusedError for a label file larger than one may be, before it is read."""
  if size > MAX_TABLE_BYTES:
    raise RefusedError(f'{size:,} bytes; accepted: at most {MAX_TABLE_BYTES:,}')


def check_count(count: int) -> None:
  """Raises ValueError for more images than a container may have."""
  if count > MAX_IMAGES:
    raise ValueError(f'{count:,} images in one file; at most {MAX_IMAGES:,}: divide it')


class NoImagesError(ValueError):
  """A container that is whole and has no images in it: a table of labels maybe."""


class _Room:
  """Lets threads read files as long as these take no more than so many bytes together."""

  def __init__(self, most: int):
    self._most, self._used = most, 0
    self._freed = threading.Condition()

  @contextlib.contextmanager
  def of(self, size: int) -> Iterator[None]:
    """Waits until there is room for so many bytes; what is larger than all of it is alone."""
    with self._freed:
      self._freed.wait_for(lambda: not self._used or self._used + size <= self._most)
      self._used += size
    try:
      yield
    finally:
      with self._freed:
        self._used -= size
        self._freed.notify_all()


_room = _Room(MAX_FILE_BYTES)


@contextlib.contextmanager
def contents(file: File) -> Iterator[bytes | np.ndarray]:
  """What a file holds, to be let go of afterwards; waits while others take the memory.

  Raises:
    RefusedError: where it cannot be read, with the reason.
  """
  with _room.of(file.size):
    try:
      data = file.read()
    except RefusedError:
      raise
    except Exception as error:  # a disk's, an archive's or a decompressor's own
      raise RefusedError(f'cannot be read: {first_line(error)}') from error
    yield data


def whole(stream: Any, size: int) -> bytes:
  """Reads a stream to its end, piece by piece, so that nothing is there twice.

  Raises:
    RefusedError: where it holds more than the bytes that were said.
  """
  found = io.BytesIO()
  while piece := stream.read(_PIECE):
    found.write(piece)
    if found.tell() > size:
      raise RefusedError(f'holds more than the {size:,} bytes that its archive says')
  return found.getvalue()


def skim(stream: Any) -> None:
  """Reads a stream to its end and keeps nothing: its checksum is looked at there."""
  while stream.read(_PIECE):
    pass


class _Closable(Protocol):
  def close(self) -> None:
    """Lets go of what is open; it is opened again when it is needed."""


class _Opened:
  """The containers that are open: the one that was used longest ago is closed for a new one."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._used: OrderedDict[int, _Closable] = OrderedDict()

  def use(self, container: _Closable) -> None:
    """Notes that a container is about to be read; its own lock must not be held."""
    with self._lock:
      self._used[id(container)] = container
      self._used.move_to_end(id(container))
      old = [self._used.popitem(last=False)[1] for _ in range(len(self._used) - _OPEN)]
    for other in old:
      other.close()


opened = _Opened()


def is_beside(name: str) -> bool:
  """Whether a file is by its name none that is meant to be an image."""
  base = name.rsplit('/', 1)[-1]
  return base.startswith('.') or base.lower().endswith(_BESIDE) or base == 'DICOMDIR'


def shown(text: str) -> str:
  """A file's name as text that can be printed and stored on one line, whatever its bytes are."""
  found = os.fsencode(text).decode('utf-8', 'backslashreplace')
  found = ''.join(f'\\x{ord(c):02x}' if unicodedata.category(c) in _BREAKS else c for c in found)
  return unicodedata.normalize('NFC', found)


def stamp(path: pathlib.Path) -> str:
  """Changes with the file at a path."""
  about = path.stat()
  return f'{about.st_size}-{about.st_mtime_ns}'
