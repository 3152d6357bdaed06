"""Arrays of NumPy as sources: .npy and .npz of images, read row by row."""

import functools
import io
import math
import os
import pathlib
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.ingest import files, layout
from gan_jax.data.ingest.decode import MAX_PIXELS
from gan_jax.data.ingest.files import File, Source
from gan_jax.data.ingest.onwards import Onwards, Thing

# Names of arrays in an .npz, the first that is there; each also with a word for a split.
_IMAGES = ('images', 'image', 'imgs', 'img', 'x', 'arr', 'data')
_LABELS = ('labels', 'label', 'y', 'targets', 'target')
_ACCEPTED = '[N, H, W] or [N, H, W, C] with C of 1, 3 or 4'
_WORDS = re.compile(r'[^\W\d_]+')
_PIECE = 2**20


class _Header(NamedTuple):
  """How an array lies in its file: at which byte it begins, and what it is."""

  start: int
  shape: tuple[int, ...]
  fortran: bool
  dtype: np.dtype[Any]


def open_npy(path: pathlib.Path) -> Source:
  """An array of images `[N, H, W]` or `[N, H, W, C]`.

  Raises:
    ValueError: for an array of another shape or type.
  """
  array = np.load(path, mmap_mode='r', allow_pickle=False)  # a pickle could run any program
  shape = _of_many(array.shape)
  rows = array if array.ndim == 4 else array[..., None]
  stamp = files.stamp(path)
  size = math.prod(shape[1:]) * array.dtype.itemsize
  return Source(
    [
      File(f'{row:08d}', functools.partial(rows.__getitem__, row), stamp=stamp, size=size)
      for row in range(len(rows))
    ],
    [],
    {},
  )


def files_of_npy(path: pathlib.Path, name: str) -> list[File]:
  """The images of a .npy that lies among other files: one, or its parts; see `parts`."""
  with open(path, 'rb') as file:
    header = _header(file, os.path.getsize(path))

  def read(row: int | None) -> np.ndarray:
    array = np.load(path, mmap_mode='r', allow_pickle=False)
    return np.array(array if row is None else array[row])

  return parts(name, header.shape, read, files.stamp(path), 0)


def parts(
  name: str,
  shape: tuple[int, ...],
  read: Callable[[int | None], np.ndarray],
  stamp: str,
  size: int,
) -> list[File]:
  """The images of an array that lies among other files.

  `[H, W]` and `[H, W, C]` with C of 1, 3 or 4 are one image; `[N, H, W]` and `[N, H, W, C]` are N,
  `name#0007` and so on, which stay on one side of a split, as slices of a volume do.

  Args:
    name: of the file.
    shape: of the array.
    read: returns one of N, or for None the whole.
    stamp: of the file.
    size: bytes that reading takes.

  Raises:
    ValueError: for an array of another shape.
  """
  if 0 in shape or not 2 <= len(shape) <= 4 or (len(shape) == 4 and shape[-1] not in (1, 3, 4)):
    raise ValueError(f'an array of shape {shape}; accepted: [H, W], [H, W, C], {_ACCEPTED}')
  with_channel = lambda image: image[..., None] if image.ndim == 2 else image
  if is_one(shape):
    _check_pixels(shape[:2])
    return [File(name, lambda: with_channel(read(None)), stamp=stamp, size=size)]
  _check_pixels(shape[1:3])
  files.check_count(shape[0])
  one = lambda row: with_channel(read(row))
  return [
    File(f'{name}#{row:04d}', functools.partial(one, row), stamp=stamp, part_of=name, size=size)
    for row in range(shape[0])
  ]


def is_one(shape: tuple[int, ...]) -> bool:
  """Whether an array among other files is one image, and not several."""
  return len(shape) == 2 or (len(shape) == 3 and shape[-1] in (1, 3, 4))


def shape_of(head: bytes) -> tuple[int, ...]:
  """The shape in the first bytes of a .npy.

  Raises:
    ValueError: where they are no whole header.
  """
  return _header(io.BytesIO(head), None).shape


def loaded(data: bytes) -> np.ndarray:
  """The array of a .npy that was read whole, not to be written to."""
  header = _header(io.BytesIO(data), len(data))
  flat = np.frombuffer(data, header.dtype, offset=header.start)  # nothing is copied
  return flat.reshape(header.shape, order='F' if header.fortran else 'C')


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
    header = _header(stream, info.file_size)
    fits = math.prod(header.shape[:1]) == count
    if len(header.shape) > 2 or not (fits or alone):
      return None
    if not fits:
      raise ValueError(f'{count:,} images and {math.prod(header.shape[:1]):,} labels')
    if info.file_size > files.MAX_FILE_BYTES:
      raise ValueError(f'{info.filename}: {files.TOO_LARGE.format(info.file_size)}')
  with archive.open(info) as stream:
    labels = loaded(files.whole(stream, info.file_size)).reshape(count, -1)
  if labels.shape[1] == 1:
    return [{'label': str(label)} for label in labels[:, 0]]
  return [{f'label_{k}': str(label) for k, label in enumerate(row)} for row in labels]


class _Rows:
  """The images of an array in an .npz, read on and on; the file is opened when one is asked for."""

  def __init__(self, path: pathlib.Path, info: zipfile.ZipInfo, alone: bool):
    self._path, self._info, self._checked = path, info, False
    with zipfile.ZipFile(path) as archive, archive.open(info) as stream:
      self._header = _header(stream, info.file_size)
    shape = self._header.shape
    self.are_one = 0 not in shape and is_one(shape) and (len(shape) == 2 or not alone)
    self._shape = (1, *shape) if self.are_one else _of_many(shape)
    _check_pixels(self._shape[1:3])
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
          array = loaded(files.whole(stream, self._info.file_size)).reshape(self._shape)
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


def _header(stream: Any, size: int | None) -> _Header:
  """Reads the header of a .npy; its array has to fill the file of so many bytes.

  Raises:
    ValueError: where it is none, or lies.
  """
  version = np.lib.format.read_magic(stream)
  if version == (1, 0):
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
  elif version == (2, 0):
    shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
  else:
    raise ValueError(f'an array of format {version}; accepted: numbers')
  if dtype.hasobject:
    raise ValueError('Object arrays cannot be loaded: they could run any program')
  start = stream.tell()
  if size is not None and start + math.prod(shape) * dtype.itemsize != size:
    raise ValueError(f'an array of shape {shape} and {dtype} does not have {size:,} bytes')
  return _Header(start, shape, fortran, dtype)


def _check_pixels(size: tuple[int, ...]) -> None:
  if math.prod(size) > MAX_PIXELS:
    raise ValueError(f'an image of {size[1]:,}x{size[0]:,} pixels; at most {MAX_PIXELS:,} in all')


def _of_many(shape: tuple[int, ...]) -> tuple[int, ...]:
  """The shape `[N, H, W, C]` of an array of images.

  Raises:
    ValueError: where it is none.
  """
  if len(shape) == 3 and shape[-1] in (3, 4):
    raise ValueError(
      f'an array of shape {shape} may be one image in colour or many grey ones; accepted: '
      '[N, H, W, C]'
    )
  full = (*shape, 1) if len(shape) == 3 else shape
  if len(full) != 4 or full[-1] not in (1, 3, 4) or 0 in full:
    raise ValueError(f'an array of shape {full}; accepted: {_ACCEPTED}')
  _check_pixels(full[1:3])
  files.check_count(full[0])
  return full
