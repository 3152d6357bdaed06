"""Images as they lie in a folder or an archive, opened as a dataset, unprepared."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from gan_jax.data.by_name import data_folder, open_builder
from gan_jax.data.ingest import decode, files, fit, labels, ordered, sources
from gan_jax.data.ingest.picture import Picture, RefusedError
from gan_jax.data.ingest.writer import is_number
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest

_BETWEEN = 256  # files between two calls of `watch`
_TOLD = 3  # of the files that cannot be read

Watch = Callable[[str, int, int], None]


class FolderImages(ImageDataset):
  """All images of a folder, archive, array or prepared dataset, of one size, as they are.

  Each file is read once when it is opened, so that whatever is wrong with one is said before
  anything is computed. The fingerprint is of every byte of every file, and of the classes.

  Attributes:
    kind: of its pixels, of `fit.KINDS`.
    paths: name of each image in the folder.
  """

  def __init__(
    self,
    path: str,
    flag: str,
    *,
    by_folder: bool = False,
    optional: bool = False,
    table: str = '',
    class_names: Sequence[str] | None = None,
    memory_budget_mb: int = 1024,
    follow_links: bool = False,
    watch: Watch = lambda what, done, total: None,
  ):
    """Reads every file.

    Args:
      path: what `sources.open_source` takes.
      flag: that it was given by, for messages.
      by_folder: the folder that an image is in is its class; see `labels.by_folder`.
      optional: where images are in no folder of a class, there are no classes: nothing is refused.
      table: a label file with a row for each image; '': what the source itself knows.
      class_names: the classes that there may be; None: those found, sorted.
      memory_budget_mb: decoded images up to this many MiB are held in memory.
      follow_links: take what symbolic links lead to.
      watch: called with what is done, files read and their number.

    Raises:
      UserError: where there is no image, one cannot be read, or their sizes differ.
    """
    self.name = f'{flag}={path}'
    self._records: list[files.File] = self._open(path, flag, follow_links)
    if table:
      self._records = _with_rows(self._records, table)
    self._held = None
    pictures = self._look(memory_budget_mb * 2**20, watch)
    self.paths = [file.name for file in self._records]
    self.class_names, self._labels = self._classes(by_folder, class_names, optional)
    self.num_classes = len(self.class_names)
    self._columns = _columns(self._records)
    self.attribute_names = tuple(self._columns)
    self._also_of([self.class_names, self._labels.tolist()])
    if pictures is not None:
      images = np.empty((len(pictures), *self.shape), self.dtype)
      for row in range(len(pictures) - 1, -1, -1):
        images[row] = fit.convert(pictures.pop(), self.kind)  # each is there once
      self._held = images, self._labels
    self.origin = {'full_name': path}

  def convert_to(self, kind: str) -> None:
    """Gives images of another of `fit.KINDS` from now on."""
    if kind == self.kind:
      return
    self._set_kind(kind)
    self._also_of(kind)
    if self._held is not None:
      images = np.stack([fit.convert(pixels, kind) for pixels in self._held[0]])
      self._held = images, self._labels

  def copies_in(self, other: 'FolderImages') -> int:
    """How many of the images are, byte for byte, files of another folder."""
    known = set(other._digests)
    return sum(digest in known for digest in self._digests)

  def labels(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Classes of images, int32 `[n]`; 0 without classes."""
    return self._labels[np.asarray(indices)]

  def attributes(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """What the source itself knows of images beside their class; see `ImageDataset.attributes`."""
    rows = [self._records[int(i)].row for i in indices]
    return {
      name: np.array(
        [float(row.get(name) or 'nan') if numeric else row.get(name, '') for row in rows],
        np.float64 if numeric else str,
      )
      for name, numeric in self._columns.items()
    }

  def groups(self, indices: Sequence[int] | np.ndarray) -> np.ndarray | None:
    """What images must not be parted from; None where the source knows of none."""
    found = np.array([self._records[int(i)].group for i in indices], str)
    return found if (found != '').all() else None

  @staticmethod
  def _open(path: str, flag: str, follow_links: bool) -> list[files.File]:
    try:
      source = sources.open_source(path, data_folder(''), open_builder, follow_links)
    except UserError as error:
      raise UserError(str(error).replace('--source', flag, 1)) from error
    if source.refused:
      name, reason = source.refused[0]
      raise UserError(
        f'{flag}={path}: {len(source.refused):,} of the files cannot be taken; {name}: {reason}'
      )
    if not source.files:
      raise UserError(
        f'{flag}={path}: holds no image ({len(source.beside):,} files of other kinds); accepted: '
        f'{sources.ACCEPTED}'
      )
    return sorted(source.files, key=lambda file: file.name)

  def _look(self, budget: int, watch: Watch) -> list[np.ndarray] | None:
    """Reads all files for their size, kind and bytes; returns the pixels where they fit."""
    digest, kinds = hashlib.sha256(), set()
    pictures: list[np.ndarray] | None = []
    shape: tuple[int, int] | None = None
    bad: list[str] = []
    self._digests: list[bytes] = []
    total = len(self._records)
    for name, picture, hashed in self._decode_all(watch):
      digest.update(f'{name}\0'.encode() + hashed)
      self._digests.append(hashed)
      if isinstance(picture, str):
        bad.append(f'{name}: {picture}')
        continue
      found = picture.pixels.shape[:2]
      shape = shape or found
      if found != shape:
        raise UserError(
          f'{self.name}: images of different sizes: {self._records[0].name} is '
          f'{shape[1]}x{shape[0]}, {name} is {found[1]}x{found[0]}; accepted: one size '
          '(`launch.py prepare` brings them to one)'
        )
      kinds.add(fit.kind_of(picture.pixels))
      if picture.pixels.nbytes * total > budget:
        pictures = None
      if pictures is not None:
        pictures.append(picture.pixels)
    if bad:
      more = f' and {len(bad) - _TOLD:,} more' if len(bad) > _TOLD else ''
      raise UserError(
        f'{self.name}: {len(bad):,} of {total:,} files cannot be read: '
        f'{"; ".join(bad[:_TOLD])}{more}'
      )
    assert shape is not None
    self.shape = (*shape, 0)
    self._set_kind(fit.common_kind(kinds))
    self.fingerprint = digest.hexdigest()[:16]
    return pictures

  def _also_of(self, what: Any) -> None:
    """Makes the fingerprint one of this too."""
    text = json.dumps([self.fingerprint, what])
    self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]

  def _set_kind(self, kind: str) -> None:
    self.kind = kind
    self.shape = (*self.shape[:2], fit.CHANNELS[kind])
    self.dtype = np.dtype(np.uint16 if kind == 'grey16' else np.uint8)

  def _decode_all(self, watch: Watch) -> Iterator[tuple[str, Picture | str, bytes]]:
    total = len(self._records)

    def look(file: files.File) -> tuple[str, Picture | str, bytes]:
      try:
        with files.contents(file) as data:
          raw = data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
          return file.name, _one(file.name, data), hashlib.sha256(raw).digest()
      except RefusedError as error:
        return file.name, ' '.join(str(error).split()), b''

    with ThreadPoolExecutor(os.cpu_count()) as pool:
      for done, (_, found) in enumerate(ordered.each(pool, look, self._records)):
        if done % _BETWEEN == 0:
          watch(f'reading {self.name}', done, total)
        yield found
    watch(f'reading {self.name}', total, total)

  def _classes(
    self, by_folder: bool, accepted: Sequence[str] | None, optional: bool
  ) -> tuple[list[str], np.ndarray]:
    if not by_folder:
      known = [file.label for file in self._records]
      if not all(known):
        return [], np.zeros(len(known), np.int32)
    else:
      known = labels.by_folder(self.paths, accepted)
      if optional and not all(known):
        return [], np.zeros(len(known), np.int32)
      if not all(known):
        raise UserError(
          f'{self.name}: --labels=folders, and {self.paths[known.index("")]} is in no folder of a '
          'class'
        )
    in_order = labels.class_names(known)
    names = in_order if accepted is None else list(accepted)
    numbers = {name: number for number, name in enumerate(names)}
    for name in known:
      if name not in numbers:
        raise UserError(
          f'{self.name}: class {name!r} is not in the reference; {nearest(name, names)}'
        )
    return names, np.array([numbers[name] for name in known], np.int32)

  def _read(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = [int(i) for i in indices]

    def read(row: int) -> np.ndarray:
      file = self._records[row]
      try:
        with files.contents(file) as data:
          return fit.convert(_one(file.name, data).pixels, self.kind)
      except RefusedError as error:  # it was whole when it was opened
        raise UserError(f'{self.name}: {file.name}: {error}') from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
      images = list(pool.map(read, rows))
    return np.stack(images), self._labels[rows]


def _with_rows(records: Sequence[files.File], path: str) -> list[files.File]:
  """Files with what a label file says of them, and their class by it."""
  names = [file.name for file in records]
  table = labels.read_table(path, '', names)
  found = []
  for file in records:
    try:
      row = table.row(file.name, file.part_of)
    except RefusedError as error:
      raise UserError(f'--labels={path}: {file.name} {error}') from error
    found.append(file._replace(row=row, label=row.get(table.label, '')))
  return found


def _columns(records: Sequence[files.File]) -> dict[str, bool]:
  """What is known of images beside their class, and whether it is numbers alone."""
  names = dict.fromkeys(column for file in records for column in file.row)
  values = {name: [file.row.get(name, '') for file in records] for name in names}
  return {
    name: all(map(is_number, filter(None, own)))
    for name, own in values.items()
    if own != [file.label for file in records]
  }


def unite(folders: list[FolderImages]) -> None:
  """Brings folders to one kind of pixels, such as RGB; raises UserError for different sizes."""
  first = folders[0]
  kind = fit.common_kind({one.kind for one in folders})
  for one in folders:
    if one.shape[:2] != first.shape[:2]:
      say = lambda one: f'{one.name} holds images of {one.shape[1]}x{one.shape[0]}'
      raise UserError(
        f'{say(one)}, {say(first)}; accepted: one size (`launch.py prepare` brings them to one)'
      )
    one.convert_to(kind)


def _one(name: str, data: bytes | np.ndarray) -> Picture:
  """The one picture of a file."""
  pictures = decode.read(name, data, decode.Medical())
  first = next(pictures)
  rest: Any = next(pictures, None)
  if rest is not None:
    raise RefusedError('holds several images; prepare it as a dataset')
  return first
