"""Zip and tar archives as sources: nothing is unpacked to the disk, nor expanded past a bound."""

import contextlib
import functools
import pathlib
import re
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.ingest import arrays, beginnings, files, webdataset
from gan_jax.data.ingest.files import File, Source
from gan_jax.data.ingest.onwards import Onwards, Thing
from gan_jax.data.ingest.picture import first_line

_DRIVE = re.compile('[A-Za-z]:/')
_STACK_BYTES = 2**28  # of an array of many images in an archive, which is held as a whole
_NESTED = 'an archive within an archive; unpack the outer one, and name its folder'


class _Member(NamedTuple):
  """A file of an archive.

  Attributes:
    name: as it is stored.
    size: bytes that it is said to have.
    reason: why it is not taken, or ''.
    read: returns all of it.
    head: its first bytes, where they had to be looked at.
  """

  name: str
  size: int
  reason: str
  read: Callable[[], bytes]
  head: bytes = b''


def open_zip(path: pathlib.Path) -> Source:
  """Lists a .zip; names with backslashes, as some programs of Windows write them, have folders."""
  archive = _Zip(path)
  members: list[_Member] = []
  for info in archive.members():
    name = info.filename.replace('\\', '/')
    if name.endswith('/'):
      continue
    link = stat.S_ISLNK(info.external_attr >> 16)
    reason = 'a symbolic link' if link else 'encrypted' if info.flag_bits & 1 else ''
    head = b''
    if not reason and not beginnings.is_plain_image(name) and not files.is_beside(name):
      head = archive.head(info)
    read = functools.partial(archive.read, info)
    members.append(_Member(name, info.file_size, reason, read, head))
  return _source(members, files.stamp(path))


def open_tar(path: pathlib.Path) -> Source:
  """Lists a .tar, compressed or not; `key.cls` and `key.json` in it are known of `key.jpg`."""
  infos: list[tarfile.TarInfo] = []
  heads: dict[int, bytes] = {}
  notes = webdataset.Notes()
  with beginnings.open_tar(path) as archive:
    for info in archive:
      if info.isdir():
        continue
      if info.isfile() and not beginnings.is_plain_image(info.name):
        file = archive.extractfile(info)
        assert file is not None  # a regular file
        if notes.wants(info.name, info.size):
          notes.add(files.shown(info.name.removeprefix('./')), file.read())
        else:
          heads[len(infos)] = file.read(beginnings.BYTES)
      infos.append(info)
      files.check_count(len(infos))
    while archive.fileobj and archive.fileobj.read(2**20):  # its checksum is at the end
      pass
  reader: Onwards[bytes] = Onwards(functools.partial(_tar_members, path, infos))
  members = []
  for place, info in enumerate(infos):
    link = info.issym() or info.islnk()
    reason = 'a link' if link else '' if info.isfile() else 'not a regular file'
    read = functools.partial(reader.read, place)
    members.append(_Member(info.name, info.size, reason, read, heads.get(place, b'')))
  return notes.applied(_source(members, files.stamp(path)))


class _Zip:
  """A zip that is opened when it is read; several threads may read it at once."""

  def __init__(self, path: pathlib.Path):
    self._path = path
    self._lock = threading.Lock()
    self._archive: zipfile.ZipFile | None = None

  def _opened(self) -> zipfile.ZipFile:
    files.opened.use(self)
    with self._lock:
      self._archive = self._archive or zipfile.ZipFile(self._path)
      return self._archive

  def close(self) -> None:
    """Lets go of the archive, which closes itself when no thread reads it any more."""
    with self._lock:
      self._archive = None

  def members(self) -> list[zipfile.ZipInfo]:
    return self._opened().infolist()

  def head(self, info: zipfile.ZipInfo) -> bytes:
    """The first bytes; none of what cannot be read, which is told of when it is read whole."""
    with contextlib.suppress(Exception), self._opened().open(info) as stream:
      return stream.read(beginnings.BYTES)
    return b''

  def read(self, info: zipfile.ZipInfo) -> bytes:
    with self._opened().open(info) as stream:
      return files.whole(stream, info.file_size)


def _tar_members(
  path: pathlib.Path, infos: list[tarfile.TarInfo], first: int
) -> Iterator[Thing[bytes]]:
  with beginnings.open_tar(path) as archive:
    for info in infos[first:]:
      yield Thing(info.size, functools.partial(_tar_member, archive, info))


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
  file = archive.extractfile(info)
  return files.whole(file, info.size) if file else b''


def _source(members: list[_Member], stamp: str) -> Source:
  found: list[File] = []
  refused: list[tuple[str, str]] = []
  beside: dict[str, Callable[[], bytes]] = {}
  last = _LastArray()
  for member in members:
    raw = member.name.removeprefix('./')
    name, path, reason = files.shown(raw), raw.replace('\\', '/'), member.reason
    parts = path.split('/')
    if not reason and (path.startswith('/') or '..' in parts or _DRIVE.match(path)):
      reason = 'its path leads out of the archive'
    if not reason and member.size > files.MAX_FILE_BYTES:
      reason = files.TOO_LARGE.format(member.size)
    if any(part.startswith(('.', '__MACOSX')) for part in parts[:-1] if part != '..'):
      continue
    kind = '' if reason else beginnings.kind_of(member.head)
    if kind and kind != 'npy':
      reason = beginnings.advice(kind) or _NESTED
    if reason:
      refused.append((name, reason))
    elif files.is_beside(name):
      beside[name] = functools.partial(_read_table, member)
    elif kind == 'npy':
      try:
        shape = arrays.shape_of(member.head)
        rows = functools.partial(last.row, name, member.read)
        if not arrays.is_one(shape) and member.size > _STACK_BYTES:
          raise ValueError(f'many images of {member.size:,} bytes; unpack the archive first')
        found += arrays.parts(name, shape, rows, stamp, member.size)
      except ValueError as error:  # a header that is none, or a shape that no image has
        refused.append((name, first_line(error)))
    else:
      found.append(File(name, member.read, stamp=stamp, size=member.size))
  return Source(found, refused, beside).checked()  # in the archive's order: that reads on and on


def _read_table(member: _Member) -> bytes:
  files.check_table(member.size)
  return member.read()


class _LastArray:
  """Holds the array that was read last, for all of its rows."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._name, self._array = '', np.empty(0)

  def row(self, name: str, read: Callable[[], bytes], row: int | None) -> Any:
    """A row of the array of that name, or all of it for None."""
    if row is None:
      return arrays.loaded(read())
    with self._lock:
      if name != self._name:
        self._name, self._array = '', np.empty(0)  # let go of before the next is there
        self._array, self._name = arrays.loaded(read()), name
      return self._array[row].copy()
