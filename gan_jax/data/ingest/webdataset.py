"""What a WebDataset tar knows of its images: `key.cls`, `key.json` and `key.txt` of `key.jpg`."""

import json
from typing import Any

from gan_jax.data.ingest import labels
from gan_jax.data.ingest.files import File, Source

_ENDINGS = ('.cls', '.json', '.txt')
_ALL_BYTES = 2**28  # of all that are kept
_MOST_BYTES = 2**16  # of one of them: a label file of all images is larger, or has no image's key


class Notes:
  """The small files of a tar that may say what an image is."""

  def __init__(self) -> None:
    """Holds none yet."""
    self._found: dict[str, dict[str, bytes]] = {}
    self._bytes = 0

  def wants(self, name: str, size: int) -> bool:
    """Whether a file may be one of them."""
    return name.lower().endswith(_ENDINGS) and size <= _MOST_BYTES

  def add(self, name: str, data: bytes) -> None:
    """Takes one of them; raises ValueError for more than is kept."""
    self._bytes += len(data)
    if self._bytes > _ALL_BYTES:
      raise ValueError(f'more than {_ALL_BYTES:,} bytes of {", ".join(_ENDINGS)}')
    self._found.setdefault(_key(name), {})[name] = data

  def applied(self, source: Source) -> Source:
    """The source with what its images are, and without the files that said so."""
    used: set[str] = set()
    files: list[File] = []
    refused = list(source.refused)
    for file in source.files:
      notes = self._found.get(_key(file.name), {})
      if not notes or file.name in notes:
        files.append(file)
        continue
      used |= set(notes)
      try:
        row = _row(notes)
      except ValueError as error:
        refused.append((file.name, str(error)))
        continue
      files.append(file._replace(row=row, label=row.get(labels.default_column(list(row)), '')))
    files = [file for file in files if file.name not in used]
    beside = {name: read for name, read in source.beside.items() if name not in used}
    return Source(files, refused, beside)


def _key(name: str) -> str:
  """The sample that a file is of: its path up to the first point of the last part."""
  folder, slash, base = name.rpartition('/')
  return folder + slash + base.split('.', 1)[0]


def _row(notes: dict[str, bytes]) -> dict[str, str]:
  row: dict[str, str] = {}
  for name, data in sorted(notes.items()):
    ending = name.lower().rpartition('.')[2]
    try:
      text = data.decode('utf-8-sig').strip()
      found: Any = json.loads(text) if ending == 'json' else text
    except (ValueError, RecursionError) as error:
      raise ValueError(f'{name} cannot be read: {error}') from error
    if not isinstance(found, dict):
      found = {'label' if ending == 'json' else ending: found}
    row |= {str(key): labels.text_of(value) for key, value in found.items() if _is_one(value)}
  return row


def _is_one(value: Any) -> bool:
  return not isinstance(value, list | dict)
