"""Keeps decoded images on disk, chunk by chunk, so that a preparation that was stopped goes on."""

import functools
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gan_jax.data.ingest import fit, ordered, png
from gan_jax.data.ingest.files import File
from gan_jax.data.ingest.picture import Picture, RefusedError

FILES = 128  # of a chunk: what a preparation that is stopped loses at most
_OPEN = 64  # chunks that are open for reading at once

Decode = Callable[[File], Iterator[Picture]]
Refusal = tuple[str, str]
# Of one file: rows of the index with their PNG, and the reason why there are no more or ''.
_Encoded = tuple[list[tuple[dict[str, Any], bytes]], str]


class Item(NamedTuple):
  """One image in a chunk.

  Attributes:
    name: of the image.
    file: name of the file that it is of, the same but for `#part`.
    kind: of `fit.KINDS`.
    shape: height and width.
    digest: of the pixels.
    notes: what was converted.
    group: what the image itself says that it must not be parted from, or ''.
    label: its class, where the source knows it, or ''.
    split: likewise.
    chunk: number of the chunk.
    start: of its PNG there, bytes.
    length: of its PNG, bytes.
    greatest: value of its pixels.
    medical: as of the picture.
    modality: likewise.
  """

  name: str
  file: str
  kind: str
  shape: tuple[int, int]
  digest: str
  notes: tuple[str, ...]
  group: str
  label: str
  split: str
  chunk: int
  start: int
  length: int
  greatest: int = 0
  medical: bool = False
  modality: str = ''


def make(
  files: Sequence[File],
  folder: pathlib.Path,
  decode: Decode,
  progress: Callable[[int, int], None],
) -> tuple[list[Item], list[Refusal]]:
  """Decodes all files into chunks; those that the folder holds already are taken as they are.

  Args:
    files: in the order in which they are read best.
    folder: of the chunks; it must not hold those of other files or another `decode`.
    decode: yields the pictures of a file or raises RefusedError; called from several threads.
    progress: called with the files done and their number.

  Returns:
    All images, and names and reasons of the files that were refused.
  """
  items: list[Item] = []
  refused: list[Refusal] = []
  with ThreadPoolExecutor(os.cpu_count()) as pool:
    for number, start in enumerate(range(0, len(files), FILES)):
      progress(start, len(files))
      index = folder / f'{number:06d}.json'
      if not index.exists():
        _make_one(files[start : start + FILES], folder, number, decode, pool)
      kept = json.loads(index.read_text(encoding='utf-8'))
      for row in kept['items']:
        row['shape'], row['notes'] = tuple(row['shape']), tuple(row['notes'])
        items.append(Item(chunk=number, **row))
      refused += [(name, reason) for name, reason in kept['refused']]
    progress(len(files), len(files))
  return items, refused


def _make_one(
  files: Sequence[File],
  folder: pathlib.Path,
  number: int,
  decode: Decode,
  pool: ThreadPoolExecutor,
) -> None:
  """Writes the images of some files one after the other, then their index, whole or not at all."""
  rows: list[dict[str, Any]] = []
  refused: list[Refusal] = []
  start = 0
  with open(folder / f'{number:06d}.data', 'wb') as stored:
    encode = functools.partial(_encode_all, decode=decode)  # few at a time: a volume is hundreds
    for file, (found, reason) in ordered.each(pool, encode, files):
      for row, image in found:
        stored.write(image)
        rows.append({**row, 'start': start, 'length': len(image)})
        start += len(image)
      if reason:
        refused.append((file.name, reason))
    stored.flush()
    os.fsync(stored.fileno())
  part = folder / f'{number:06d}.part'
  with open(part, 'w', encoding='utf-8') as index:
    json.dump({'items': rows, 'refused': refused}, index)
    index.flush()
    os.fsync(index.fileno())
  os.replace(part, folder / f'{number:06d}.json')


def _encode_all(file: File, decode: Decode) -> _Encoded:
  """The images of a file, as rows of the index and PNG, and the reason why there are no more."""
  found: list[tuple[dict[str, Any], bytes]] = []
  try:
    for picture in decode(file):
      pixels = np.ascontiguousarray(picture.pixels)
      row = {
        'name': picture.name,
        'file': file.part_of or file.name,
        'kind': fit.kind_of(pixels),
        'shape': pixels.shape[:2],
        'digest': hashlib.sha256(pixels.data).hexdigest()[:32],
        'notes': picture.notes,
        'group': picture.group or file.group,
        'label': file.label,
        'split': file.split,
        'greatest': int(pixels.max()),
        'medical': picture.medical,
        'modality': picture.modality,
      }
      found.append((row, picture.png or png.encode(pixels)))
  except RefusedError as error:
    return found, str(error)
  except Exception as error:  # one file that we do not know how to handle must not cost the others
    lines = str(error).strip().splitlines() or ['']
    return found, f'failed: {type(error).__name__}: {lines[0][:120]}'
  return found, ''


class Reader:
  """Reads images out of chunks in any order, with few files open."""

  def __init__(self, folder: pathlib.Path):
    """Opens nothing yet."""
    self._folder = folder
    self._files: dict[int, Any] = {}

  def __enter__(self) -> 'Reader':
    return self

  def __exit__(self, *error: object) -> None:
    for file in self._files.values():
      file.close()

  def png(self, item: Item, kind: str) -> bytes:
    """The PNG of an image, brought to one of `fit.KINDS`."""
    image = self._read(item)
    if item.kind == kind:
      return image
    with Image.open(io.BytesIO(image)) as file:
      pixels = np.asarray(file)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if item.kind == 'grey16':
      pixels = pixels.astype(np.uint16)
    return png.encode(fit.convert(pixels, kind))

  def _read(self, item: Item) -> bytes:
    if item.chunk not in self._files:
      if len(self._files) >= _OPEN:
        self._files.pop(next(iter(self._files))).close()
      # Closed with all the others: which are open changes from image to image.
      file = open(self._folder / f'{item.chunk:06d}.data', 'rb')  # noqa: SIM115
      self._files[item.chunk] = file
    self._files[item.chunk].seek(item.start)
    return self._files[item.chunk].read(item.length)
