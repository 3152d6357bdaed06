"""An .npz as a source: arrays of images and labels, of one split or several, read row by row."""

import functools
import math
import pathlib
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from gan_jax.data.ingest import arrays, files, layout
from gan_jax.data.ingest.files import File, Source
from gan_jax.data.ingest.onwards import Onwards, Thing

# Names of arrays in an .npz, the first that is there; each also with a word for a split.
_IMAGES = ('images', 'image', 'imgs', 'img', 'x', 'arr', 'data')
_LABELS = ('labels', 'label', 'y', 'targets', 'target')
_WORDS = re.compile(r'[^\W\d_]+')
_PIECE = 2**20


def role_of(name: str) -> tuple[str, str] | None:
  """What an array of an .npz is by its name, `x_train` or `val_images`: (split, images or labels).

  Returns:
    None where it is neither.
  """
  split, word = _split_and_word(name)
  if word in _IMAGES:
    return split, 'images'
  return (split, 'labels') if word in _LABELS else None


def _split_and_word(name: str) -> tuple[str, str]:
  split, rest = layout.split_of(name)
  return split, ' '.join(_WORDS.findall((rest if split else name).casefold()))


def open_npz(path: pathlib.Path, alone: bool = True) -> Source:
  """Arrays of images, with arrays of labels beside, of one split or of several.

  Several labels of an image, `[N, k]`, are the columns `label_0` and so on.

  Args:
    path: of the file.
    alone: it is the whole source, and all of it is looked through for damage at once.

  Raises:
    ValueError: where no array is called images, or one is of another shape or type.
  """
  with zipfile.ZipFile(path) as archive:
    members = {
      info.filename.removesuffix('.npy'): info
      for info in archive.infolist()
      if info.filename.endswith('.npy')
    }
    named: dict[tuple[str, str], str] = {}
    for name in sorted(members, key=_rank):
      if role := role_of(name):
        named.setdefault(role, name)
    splits = [split for split, role in named if role == 'images']
    if not splits:
      raise ValueError(
        f'holds {", ".join(list(members)[:20])}; the images are looked for as '
        f'{", ".join(_IMAGES)}, also with train_, val_, test_ before or behind'
      )
    found: list[File] = []
    used: set[str] = set()
    for split in splits:
      image, label = named[split, 'images'], named.get((split, 'labels'), '')
      used |= {image}
      rows = _Rows(path, members[image], alone)
      if alone:
        rows.check(archive)
      if rows.are_one:
        found.append(File(image, rows.read_whole, stamp=files.stamp(path), size=rows.row_bytes))
        continue
      labels = _labels(archive, members[label], len(rows), alone) if label else None
      used |= {label} if labels is not None else set()
      folder = f'{split}/' if len(splits) > 1 else ''
      found += rows.files(folder, labels, files.stamp(path))
  unused = sorted(set(members) - used)  # such as masks, told of, not taken
  return Source(found, [], {name: functools.partial(_member, path, name) for name in unused})


def _rank(name: str) -> int:
  word, accepted = _split_and_word(name)[1], (*_IMAGES, *_LABELS)
  return accepted.index(word) if word in accepted else len(accepted)


def _member(path: pathlib.Path, name: str) -> bytes:
  with zipfile.ZipFile(path) as archive:
    info = archive.getinfo(f'{name}.npy')
    files.check_table(info.file_size)
    with archive.open(info) as stream:
      return files.whole(stream, info.file_size)


def _labels(
  archive: zipfile.ZipFile, info: zipfile.ZipInfo, count: int, alone: bool
) -> list[dict[str, str]] | None:
  """The labels of images as rows, or None where the array is something else, such as masks."""
  with archive.open(info) as stream:
    header = arrays.read_header(stream, info.file_size)
    fits = math.prod(header.shape[:1]) == count
    if len(header.shape) > 2 or not (fits or alone):
      return None
    if not fits:
      raise ValueError(f'{count:,} images and {math.prod(header.shape[:1]):,} labels')
    if info.file_size > files.MAX_FILE_BYTES:
      raise ValueError(f'{info.filename}: {files.TOO_LARGE.format(info.file_size)}')
  with archive.open(info) as stream:
    labels = arrays.loaded(files.whole(stream, info.file_size)).reshape(count, -1)
  if labels.shape[1] == 1:
    return [{'label': str(label)} for label in labels[:, 0]]
  return [{f'label_{k}': str(label) for k, label in enumerate(row)} for row in labels]


class _Rows:
  """The images of an array in an .npz, read on and on; the file is opened when one is asked for."""

  def __init__(self, path: pathlib.Path, info: zipfile.ZipInfo, alone: bool):
    self._path, self._info, self._checked = path, info, False
    with zipfile.ZipFile(path) as archive, archive.open(info) as stream:
      self._header = arrays.read_header(stream, info.file_size)
    shape = self._header.shape
    self.are_one = 0 not in shape and arrays.is_one(shape) and (len(shape) == 2 or not alone)
    self._shape = (1, *shape) if self.are_one else arrays.shape_of_many(shape)
    arrays.check_pixels(self._shape[1:3])
    self.row_bytes = math.prod(self._shape[1:]) * self._header.dtype.itemsize
    whole = info.file_size if self._header.fortran else self.row_bytes
    if whole > files.MAX_FILE_BYTES:
      raise ValueError(f'an image of it takes {files.TOO_LARGE.format(whole)}')
    self._onwards: Onwards[np.ndarray] = Onwards(self._begin)

  def __len__(self) -> int:
    return self._shape[0]

  def check(self, archive: zipfile.ZipFile) -> None:
    """Reads all of it once: its checksum is at its end."""
    with archive.open(self._info) as stream:
      files.skim(stream)
    self._checked = True

  def read_whole(self) -> np.ndarray:
    """The array, where it is one image, as `[H, W, C]`."""
    image = self._onwards.read(0)
    return image[..., None] if image.ndim == 2 else image

  def files(self, folder: str, labels: list[dict[str, str]] | None, stamp: str) -> list[File]:
    """Its images as files of a folder."""
    found = []
    for row in range(len(self)):
      about = labels[row] if labels else {}
      found.append(
        File(
          f'{folder}{row:08d}',
          functools.partial(self._onwards.read, row),
          about.get('label', ''),
          stamp=stamp,
          size=self.row_bytes,
          row=about if 'label' not in about else {},
        )
      )
    return found

  def _begin(self, first: int) -> Iterator[Thing[np.ndarray]]:
    with zipfile.ZipFile(self._path) as archive:
      if not self._checked:
        self.check(archive)
      with archive.open(self._info) as stream:
        if self._header.fortran:  # its rows are strewn all over it
          array = arrays.loaded(files.whole(stream, self._info.file_size)).reshape(self._shape)
          for row in array[first:]:
            yield Thing(self.row_bytes, functools.partial(np.array, row))
          return
        left = self._header.start + first * self.row_bytes
        while left:
          left -= len(_read(stream, min(left, _PIECE)))
        for _ in range(first, len(self)):
          data = _read(stream, self.row_bytes)
          yield Thing(self.row_bytes, functools.partial(self._row, data))

  def _row(self, data: bytes) -> np.ndarray:
    return np.frombuffer(data, self._header.dtype).reshape(self._shape[1:])


def _read(stream: Any, size: int) -> bytes:
  data = stream.read(size)
  if len(data) != size:
    raise ValueError('ends too soon')
  return data
