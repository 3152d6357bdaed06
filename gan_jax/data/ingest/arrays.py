"""Arrays of NumPy as sources: .npy of images, alone or among other files."""

import functools
import io
import math
import os
import pathlib
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gan_jax.data.ingest import files
from gan_jax.data.ingest.files import File, Source
from gan_jax.data.ingest.image import MAX_PIXELS
from gan_jax.errors import UserError

MAX_NPZ_BYTES = 2**28  # of the arrays that are read of an .npz by name
_ACCEPTED = '[N, H, W] or [N, H, W, C] with C of 1, 3 or 4'


class Header(NamedTuple):
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
  shape = shape_of_many(array.shape)
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
    header = read_header(file, os.path.getsize(path))

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
    check_pixels(shape[:2])
    return [File(name, lambda: with_channel(read(None)), stamp=stamp, size=size)]
  check_pixels(shape[1:3])
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
  return read_header(io.BytesIO(head), None).shape


def loaded(data: bytes) -> np.ndarray:
  """The array of a .npy that was read whole, not to be written to."""
  header = read_header(io.BytesIO(data), len(data))
  flat = np.frombuffer(data, header.dtype, offset=header.start)  # nothing is copied
  return flat.reshape(header.shape, order='F' if header.fortran else 'C')


def read_npz(
  path: str | BinaryIO, where: str, choose: Callable[[Sequence[str]], Sequence[str]]
) -> dict[str, np.ndarray]:
  """Reads arrays of an .npz by name; none is written to, and nothing in the file is run.

  Args:
    path: of the file, or the file.
    where: flag and file, which messages begin with.
    choose: gives the names of those to read, of the names that there are.

  Raises:
    UserError: for a file that cannot be read, or more bytes of arrays than a bound.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      members = {info.filename.removesuffix('.npy'): info for info in archive.infolist()}
      chosen = {name: members[name] for name in choose(list(members))}
      size = sum(info.file_size for info in chosen.values())
      if size > MAX_NPZ_BYTES:
        raise UserError(f'{where}: {size:,} bytes of arrays; accepted: at most {MAX_NPZ_BYTES:,}')
      found = {}
      for name, info in chosen.items():
        with archive.open(info) as stream:
          found[name] = loaded(files.whole(stream, info.file_size))
      return found
  except OSError as error:
    raise UserError(f'{where}: cannot be read: {error.strerror or error}') from error
  except UserError:
    raise
  except (ValueError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
    raise UserError(f'{where}: no .npz that can be read: {error}') from error


def read_header(stream: Any, size: int | None) -> Header:
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
  return Header(start, shape, fortran, dtype)


def check_pixels(size: tuple[int, ...]) -> None:
  """Raises ValueError for an image, `(height, width)`, of more pixels than one may have."""
  if math.prod(size) > MAX_PIXELS:
    raise ValueError(f'an image of {size[1]:,}x{size[0]:,} pixels; at most {MAX_PIXELS:,} in all')


def shape_of_many(shape: tuple[int, ...]) -> tuple[int, ...]:
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
  check_pixels(full[1:3])
  files.check_count(full[0])
  return full
