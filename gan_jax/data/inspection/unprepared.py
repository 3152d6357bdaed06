"""A user's own images before they are prepared, as what `inspect` looks at."""

import io
import types
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from gan_jax.data.ingest import decode, files, labels, png, sources
from gan_jax.data.ingest.picture import RefusedError

SPLIT = 'source'


class Unprepared:
  """Stands in for a TFDS builder: one split, images as they are stored, folders as classes.

  Attributes:
    name: of the source.
    info: with `features` and `splits`, as TFDS has them.
  """

  def __init__(self, source: str, open_tfds: Callable[[str, str], Any], follow_links: bool = False):
    """Lists the files of a source, see `sources.open_source`; reads none.

    Raises:
      UserError: where there is nothing of the kind.
    """
    self.name, self.data_dir = source, source
    found = sources.open_source(source, '', open_tfds, follow_links)
    self._files = found.files
    own = any(file.label for file in self._files)
    names_of = [file.part_of or file.name for file in self._files]
    folders = [file.label for file in self._files] if own else labels.by_folder(names_of)
    names = labels.class_names([folder for folder in folders if folder])
    self._labels = [names.index(folder) if folder in names else -1 for folder in folders]
    features: dict[str, Any] = {'image': types.SimpleNamespace(shape=(None, None, 3))}
    if len(names) > 1:
      features['label'] = types.SimpleNamespace(names=names)
    splits = {SPLIT: types.SimpleNamespace(num_examples=len(self._files))}
    self.info = types.SimpleNamespace(features=features, splits=splits)

  def as_data_source(self, split: str, decoders: Any = None) -> '_Records':
    """The files, by row."""
    del decoders
    if split != SPLIT:
      raise ValueError(split)
    return _Records(self._files, self._labels)


class _Records:
  """Files by row, each read when it is asked for."""

  def __init__(self, files: Sequence[files.File], labels: Sequence[int]):
    self._files, self._labels = files, labels

  def __len__(self) -> int:
    return len(self._files)

  def __getitem__(self, row: int) -> dict[str, Any]:
    file = self._files[row]
    return {'image': _encoded(file), 'label': self._labels[row], 'name': file.name}

  def __getitems__(self, rows: Sequence[int]) -> list[dict[str, Any]]:
    return [self[row] for row in rows]


def _encoded(file: files.File) -> bytes:
  """An image as it is stored; of what Pillow alone reads otherwise or not, the first picture."""
  try:
    with files.contents(file) as data:
      first = next(iter(decode.read(file.name, data, decode.Medical())))
      if isinstance(data, bytes) and not first.notes and _is_image(data):
        return data
  except (RefusedError, StopIteration):
    return b''  # counted among the unreadable
  return png.encode(first.pixels)


def _is_image(data: bytes) -> bool:
  try:
    with Image.open(io.BytesIO(data)):
      return True
  except Exception:  # whatever Pillow's readers raise at files that we have other readers for
    return False
