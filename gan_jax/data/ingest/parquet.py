"""Parquet files with a column of encoded images, as Hugging Face's data sets have them."""

import functools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gan_jax.data.ingest import files, labels
from gan_jax.data.ingest.files import File, NoImagesError, Source
from gan_jax.data.ingest.onwards import Onwards, Thing
from gan_jax.data.ingest.picture import RefusedError

_NAMES = ('image', 'img', 'images', 'picture', 'photo')  # of image columns, the first that is there
_AT_ONCE = 1024  # rows that are decoded together, at most
_AT_ONCE_BYTES = 2**24  # of images that are
_CELLS_BYTES = 2**28  # of all columns but the images, which are read as a whole
_RATIO = 200  # how many times larger than stored a column of images may be: they are compressed


def open_parquet(path: pathlib.Path) -> Source:
  """Lists the images of a file, with the numbers and texts of their rows.

  A column of images holds bytes, or structs with `bytes` and `path` in them. Classes have the names
  that the file's metadata gives them. Columns of lists and structs are left aside.

  Raises:
    NoImagesError: where there is no such column.
    ValueError: where it cannot be read within bounds.
  """
  with _opened(path) as file:
    schema, about = file.schema_arrow, _features(file.schema_arrow)
    image = _image_column(schema, about)
    columns = _columns(schema, image)
    _check(file.metadata, image, columns)
    count = file.metadata.num_rows
    groups = [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)]
    rows = _rows(file, columns, about)
  reader: Onwards[bytes] = Onwards(functools.partial(_images, path, image, groups))
  label = labels.default_column(columns)
  stamp = files.stamp(path)
  found = [
    File(
      f'{row:08d}',
      functools.partial(reader.read, row),
      rows[row].get(label, ''),
      stamp=stamp,
      row=rows[row],
    )
    for row in range(count)
  ]
  left = [name for name in schema.names if name not in (image, *columns)]
  return Source(found, [], {name: functools.partial(_nothing, name) for name in left})


def read_rows(data: Any) -> list[dict[str, str]]:
  """The numbers and texts of all rows of a file, given as bytes or by its path.

  Raises:
    ValueError: where it is none, or has too much of them.
  """
  with _opened(pa.BufferReader(data) if isinstance(data, bytes) else data) as file:
    columns = _columns(file.schema_arrow, '')
    _check(file.metadata, '', columns)
    return _rows(file, columns, _features(file.schema_arrow))


def _opened(where: Any) -> pq.ParquetFile:
  # Page by page, so that a group of rows is never there as a whole.
  return pq.ParquetFile(where, buffer_size=2**20, pre_buffer=False)


def _features(schema: pa.Schema) -> dict[str, Any]:
  """What Hugging Face wrote of the columns, by name."""
  try:
    found = json.loads((schema.metadata or {})[b'huggingface'])['info']['features']
  except (KeyError, TypeError, ValueError, RecursionError):
    return {}
  return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _image_column(schema: pa.Schema, about: dict[str, Any]) -> str:
  holds = [f.name for f in schema if _is_bytes(f.type) or _is_struct_of_bytes(f.type)]
  said = [name for name in holds if about.get(name, {}).get('_type') == 'Image']
  structs = [name for name in holds if _is_struct_of_bytes(schema.field(name).type)]
  called = sorted((n for n in holds if n.lower() in _NAMES), key=lambda n: _NAMES.index(n.lower()))
  for chosen in (
    [name for name in called if name in said], said,
    [name for name in called if name in structs], structs, called,
  ):  # fmt: skip
    if chosen:
      return chosen[0]
  raise NoImagesError(
    f'no column of images; found: {", ".join(schema.names)}; accepted: encoded images, as bytes in '
    f'a column {" or ".join(_NAMES)}, or as structs with bytes and path'
  )


def _is_bytes(kind: pa.DataType) -> bool:
  return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_struct_of_bytes(kind: pa.DataType) -> bool:
  return pa.types.is_struct(kind) and any(
    field.name == 'bytes' and _is_bytes(field.type) for field in kind
  )


def _columns(schema: pa.Schema, image: str) -> list[str]:
  """Columns of one number or text each."""
  types = pa.types
  accepted = (
    *(types.is_integer, types.is_floating, types.is_boolean),
    *(types.is_string, types.is_large_string),
  )
  plain = lambda kind: kind.value_type if types.is_dictionary(kind) else kind
  is_one = lambda kind: any(check(plain(kind)) for check in accepted)
  return [field.name for field in schema if field.name != image and is_one(field.type)]


def _check(metadata: Any, image: str, columns: Sequence[str]) -> None:
  """Refuses what is meant to exhaust the memory, by what the file says of itself."""
  files.check_count(metadata.num_rows)
  total = 0
  for group in range(metadata.num_row_groups):
    row_group = metadata.row_group(group)
    for place in range(row_group.num_columns):
      column = row_group.column(place)
      name = column.path_in_schema.split('.')[0]
      total += column.total_uncompressed_size if name in columns else 0
      least = max(column.total_compressed_size * _RATIO, files.MAX_FILE_BYTES)
      if name == image and column.total_uncompressed_size > least:
        raise ValueError(f'column {name} grows from {column.total_compressed_size:,} bytes to '
                         f'{column.total_uncompressed_size:,}')  # fmt: skip
  if total > _CELLS_BYTES:
    raise ValueError(
      f'{total:,} bytes of numbers and texts beside the images; at most {_CELLS_BYTES:,}'
    )


def _size(row_group: Any, column: str) -> int:
  """Bytes of a column in a group of rows."""
  columns = [row_group.column(place) for place in range(row_group.num_columns)]
  return sum(
    one.total_uncompressed_size for one in columns if one.path_in_schema.split('.')[0] == column
  )


def _rows(
  file: pq.ParquetFile, columns: Sequence[str], about: dict[str, Any]
) -> list[dict[str, str]]:
  names = {c: about.get(c, {}).get('names') for c in columns}
  texts: dict[str, str] = {}  # each once, though many rows have it
  found: list[dict[str, str]] = []
  if not columns:
    return [{} for _ in range(file.metadata.num_rows)]
  for batch in file.iter_batches(_AT_ONCE, columns=list(columns), use_threads=False):
    for row in batch.to_pylist():
      shown = {c: _text(value, names[c]) for c, value in row.items()}
      found.append({c: texts.setdefault(text, text) for c, text in shown.items()})
  return found


def _text(value: Any, names: Any) -> str:
  if isinstance(names, list) and isinstance(value, int) and not isinstance(value, bool):
    return str(names[value]) if 0 <= value < len(names) else ''
  return labels.text_of(value)


def _images(
  path: pathlib.Path, column: str, groups: Sequence[int], first: int
) -> Iterator[Thing[bytes]]:
  """The images from a row on."""
  with _opened(path) as file:
    for group, count in enumerate(groups):
      if first >= count:
        first -= count
        continue
      size = max(_size(file.metadata.row_group(group), column) // count, 1)
      at_once = min(max(_AT_ONCE_BYTES // size, 1), _AT_ONCE)
      for batch in file.iter_batches(
        at_once, row_groups=[group], columns=[column], use_threads=False
      ):
        cells = batch.column(0)
        for row in range(first, len(cells)):
          cell = cells[row].as_py()
          data = cell.get('bytes') if isinstance(cell, dict) else cell
          yield Thing(len(data or b''), functools.partial(_bytes, data, cell))
        first = max(0, first - len(cells))


def _bytes(data: bytes | None, cell: Any) -> bytes:
  if data is None:
    where = cell.get('path') if isinstance(cell, dict) else None
    raise RefusedError(f'holds no image, only its path {where}' if where else 'holds no image')
  if len(data) > files.MAX_FILE_BYTES:
    raise RefusedError(files.TOO_LARGE.format(len(data)))
  return data


def _nothing(name: str) -> bytes:
  raise RefusedError(f'{name} is a column, and no label file')
