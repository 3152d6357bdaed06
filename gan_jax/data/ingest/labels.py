"""Which class an image is of, and what else is known of it: by folder, from a CSV or JSON file."""

import csv
import io
import json
import pathlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError, nearest

_NAME_COLUMNS = ('file', 'filename', 'file_name', 'name', 'path', 'image', 'image_id', 'img')
_LABEL_COLUMNS = ('label', 'class', 'category', 'target')
_JSON = (
  'accepted: {"labels": [[name, class], ...]}, {name: class, ...} or [{"file": name, ...}, ...]'
)
_NUMBER = re.compile(r'[-+]?[0-9]{1,300}(\.[0-9]+)?')


class Table(NamedTuple):
  """Rows of a label file by the name of the image.

  Attributes:
    source: the label file, for messages.
    columns: names of the columns, without that of the image's name.
    rows: values by column, of each image's name.
    label: the column that holds the class, or ''.
    repeated: names that have several rows which differ.
  """

  source: str
  columns: list[str]
  rows: dict[str, dict[str, str]]
  label: str
  repeated: set[str]

  def row(self, name: str, file: str) -> dict[str, str]:
    """The row of an image or, where the table has none for it, of the file that it is a part of.

    Raises:
      RefusedError: where there is none, or there are several.
    """
    for candidate in (name, file):
      if candidate in self.repeated:
        raise RefusedError(f'has several rows in {self.source} that differ')
      if candidate in self.rows:
        return self.rows[candidate]
    raise RefusedError(f'has no row in {self.source}')


def read_table(
  path: str,
  label: str,
  names: Sequence[str],
  read: Callable[[], bytes] | None = None,
  group: str = '',
) -> Table:
  """Reads a label file.

  CSV and TSV have a header; one column names the image. JSON is StyleGAN's `dataset.json`
  (`{"labels": [[name, class], ...]}`), an object of classes or attributes by name, or a list of
  objects. An image is named by its path in the source or, where that is unique there, by its last
  part alone, with its ending or without.

  Args:
    path: of the file.
    label: the column of the class; '': `label`, `class`, `category` or `target`, or the only one.
    names: of the source's images, by which short names are told apart.
    read: returns the file, where it is none of its own, as in an archive.
    group: a column that is not the class, though it be the only one.

  Raises:
    UserError: for a file that cannot be read so.
  """
  file = pathlib.Path(path)
  try:
    data = io.BytesIO((read or file.read_bytes)())
    text = io.TextIOWrapper(data, 'utf-8-sig').read()
  except Exception as error:  # a disk's, an archive's or a decompressor's own, or no UTF-8
    raise UserError(f'--labels={path}: cannot be read: {error}') from error
  records = _json(path, text) if file.suffix.lower() == '.json' else _csv(path, text)
  if not records:
    raise UserError(f'--labels={path}: has no rows')
  columns = list(dict.fromkeys(column for _, values in records for column in values))
  label = _label_column(path, columns, label, group)
  full, known = _full_names(names), set(names)
  rows: dict[str, dict[str, str]] = {}
  repeated = set()
  for raw, values in records:
    name = unicodedata.normalize('NFC', raw)
    if name not in known:
      name = name.replace('\\', '/').removeprefix('./')
      name = full.get(name, name)
    if rows.get(name, values) != values:
      repeated.add(name)
    rows[name] = values
  return Table(file.name, columns, rows, label, repeated)


def _full_names(names: Sequence[str]) -> dict[str, str]:
  """Paths by their last part, with its ending and without, where only one has it."""
  full: dict[str, str] = {}
  twice = set()
  for name in names:
    last = name.rsplit('/', 1)[-1]
    for short in {last, last.rsplit('.', 1)[0]}:
      if short in full:
        twice.add(short)
      full[short] = name
  return {short: name for short, name in full.items() if short not in twice}


def _csv(path: str, text: str) -> list[tuple[str, dict[str, str]]]:
  first = text.split('\n', 1)[0]
  separator = max(',;\t', key=first.count)
  reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
  try:
    lines = [(reader.line_num, line) for line in reader if any(line)]
  except csv.Error as error:
    raise UserError(f'--labels={path}: line {reader.line_num}: {error}') from error
  header = [name.strip() for name in lines[0][1]] if lines else []
  key = next((name for name in header if name.lower() in _NAME_COLUMNS), None)
  if key is None:
    raise UserError(
      f'--labels={path}: no column names the image; found: {", ".join(header) or "no header"}; '
      f'accepted: {", ".join(_NAME_COLUMNS)}'
    )
  if len(set(header) - {''}) < len(header) - header.count(''):
    raise UserError(f'--labels={path}: two columns of one name: {", ".join(header)}')
  records = []
  for number, line in lines[1:]:
    if len(line) != len(header):
      raise UserError(
        f'--labels={path}: line {number} has {len(line)} values, and the header {len(header)}'
      )
    values = {name: value.strip() for name, value in zip(header, line, strict=True)}
    values.pop('', None)  # a column without a name, such as the row numbers that pandas writes
    records.append((values.pop(key), values))
  return records


def _json(path: str, text: str) -> list[tuple[str, dict[str, str]]]:
  try:
    data = json.loads(text, object_pairs_hook=_unique)
    json.dumps(data, ensure_ascii=False).encode()  # half a pair of surrogates is no character
  except (ValueError, RecursionError) as error:
    raise UserError(f'--labels={path}: not JSON: {error}') from error
  if isinstance(data, dict) and 'labels' in data and not isinstance(data['labels'], str):
    data = data['labels']
    if data is None:
      raise UserError(f'--labels={path}: its labels are null; leave --labels out')
    entries = _pairs(path, data) if isinstance(data, list) else None
  else:
    entries = _named(path, data) if isinstance(data, list) else None
  if isinstance(data, dict):
    entries = list(data.items())
  if entries is None:
    raise UserError(f'--labels={path}: {_JSON}')
  return [
    (name, _texts(path, name, about if isinstance(about, dict) else {'label': about}))
    for name, about in entries
  ]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  found = dict(pairs)
  if len(found) < len(pairs):
    names = [name for name, _ in pairs]
    raise ValueError(f'{next(n for n in names if names.count(n) > 1)!r} is there twice')
  return found


def _pairs(path: str, pairs: list[Any]) -> list[tuple[str, Any]]:
  for number, pair in enumerate(pairs):
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
      raise UserError(f'--labels={path}: entry {number} of `labels` is not [name, class]')
  return [(name, label) for name, label in pairs]


def _named(path: str, entries: list[Any]) -> list[tuple[str, Any]]:
  found = []
  for number, entry in enumerate(entries):
    keys = entry if isinstance(entry, dict) else ()
    key = next((name for name in keys if name.lower() in _NAME_COLUMNS), None)
    if key is None:
      raise UserError(f'--labels={path}: entry {number} names no image; {_JSON}')
    found.append((str(entry[key]), {k: v for k, v in entry.items() if k != key}))
  return found


def _texts(path: str, name: str, about: dict[str, Any]) -> dict[str, str]:
  for key, value in about.items():
    if isinstance(value, list | dict):
      raise UserError(
        f'--labels={path}: {name}: {key} is {json.dumps(value)[:40]}; accepted: a class or an '
        'attribute as text or one number; vectors, such as one-hot, are not read'
      )
  return {key: _text(value) for key, value in about.items()}


def _text(value: Any) -> str:
  if isinstance(value, bool):
    return str(int(value))
  return value.strip() if isinstance(value, str) else '' if value is None else json.dumps(value)


def _label_column(path: str, columns: Sequence[str], label: str, group: str) -> str:
  if label:
    if label not in columns:
      raise UserError(f'--label={label}: no such column in {path}; {nearest(label, columns)}')
    return label
  named = [column for column in columns if column.lower() in _LABEL_COLUMNS]
  if named:
    return named[0]
  return columns[0] if len(columns) == 1 and columns[0] != group else ''


def folder_label(name: str) -> str:
  """The class of an image by the folder that it lies in.

  Raises:
    RefusedError: where it lies in none.
  """
  folder, _, file = name.rpartition('/')
  if not folder or not file:
    raise RefusedError('lies in no folder, and --labels=folders takes the class from it')
  return folder


def group_of(group: str, table: Table | None) -> Callable[[str, Mapping[str, str], str], str]:
  """Makes the function from an image's name, row and own group to the group it is split by.

  Args:
    group: a column of the table, or a regular expression over the name, whose first group (or
      whole match) counts; '': what the image itself says, such as its patient, or else its file.
    table: of the label file, if there is one.

  Raises:
    UserError: for neither a column nor a regular expression.
  """
  if not group:
    return lambda name, row, own: own
  if table is not None and group in table.columns:
    source = table.source

    def of_column(name: str, row: Mapping[str, str], own: str) -> str:
      if not row.get(group):
        raise RefusedError(f'has no {group} in {source}')
      return row[group]

    return of_column
  try:
    pattern = re.compile(group)
  except re.error as error:
    columns = table.columns if table else []
    raise UserError(
      f'--group={group}: neither a regular expression ({error}) nor a column; '
      f'columns: {", ".join(columns) or "none"}'
    ) from error

  def matched(name: str, row: Mapping[str, str], own: str) -> str:
    match = pattern.search(name)
    if match is None:
      raise RefusedError(f'its name does not match --group={group}')
    found = match.group(1) if pattern.groups else match.group(0)
    if not found:
      raise RefusedError(f'--group={group} finds nothing in its name')
    return found

  return matched


def class_names(labels: Sequence[str]) -> list[str]:
  """All classes in order: numbers by value, other names by the alphabet."""
  found = set(labels)
  if all(map(_NUMBER.fullmatch, found)):
    return sorted(found, key=lambda label: (float(label), label))  # 1 and 01 are two
  return sorted(found)
