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

  def row(self, name: str) -> dict[str, str]:
    """The row of a file or, where the table has one for it, of a part of a file.

    Raises:
      RefusedError: where there is none, or there are several.
    """
    for candidate in (name, name.split('#')[0]):
      if candidate in self.repeated:
        raise RefusedError(f'has several rows in {self.source} that differ')
      if candidate in self.rows:
        return self.rows[candidate]
    raise RefusedError(f'has no row in {self.source}')


def read_table(path: str, label: str, names: Sequence[str]) -> Table:
  """Reads a label file.

  CSV and TSV have a header; one column names the image. JSON is StyleGAN's `dataset.json`
  (`{"labels": [[name, class], ...]}`), an object of classes or attributes by name, or a list of
  objects. An image is named by its path in the source or, where that is unique there, by its last
  part alone.

  Args:
    path: of the file.
    label: the column of the class; '': `label`, `class`, `category` or `target`, or the only one.
    names: of the source's images, by which short names are told apart.

  Raises:
    UserError: for a file that cannot be read so.
  """
  file = pathlib.Path(path)
  try:
    text = file.read_text(encoding='utf-8-sig')
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(f'--labels={path}: cannot be read: {error}') from error
  records = _json(path, text) if file.suffix == '.json' else _csv(path, text)
  if not records:
    raise UserError(f'--labels={path}: has no rows')
  columns = list(dict.fromkeys(column for _, values in records for column in values))
  label = _label_column(path, columns, label)
  full = _full_names(names)
  rows: dict[str, dict[str, str]] = {}
  repeated = set()
  for raw, values in records:
    name = unicodedata.normalize('NFC', raw.replace('\\', '/').removeprefix('./'))
    name = full.get(name, name)
    if rows.get(name, values) != values:
      repeated.add(name)
    rows[name] = values
  return Table(file.name, columns, rows, label, repeated)


def _full_names(names: Sequence[str]) -> dict[str, str]:
  """Paths by their last part, where only one has it."""
  full: dict[str, str] = {}
  twice = set()
  for name in names:
    short = name.rsplit('/', 1)[-1]
    if short in full:
      twice.add(short)
    full[short] = name
  return {short: name for short, name in full.items() if short not in twice}


def _csv(path: str, text: str) -> list[tuple[str, dict[str, str]]]:
  first = text.split('\n', 1)[0]
  separator = max(',;\t', key=first.count)
  reader = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
  header = [(name or '').strip() for name in reader.fieldnames or []]
  reader.fieldnames = header
  key = next((name for name in header if name.lower() in _NAME_COLUMNS), None)
  if key is None:
    raise UserError(
      f'--labels={path}: no column names the image; found: {", ".join(header) or "no header"}; '
      f'accepted: {", ".join(_NAME_COLUMNS)}'
    )
  if len(set(header)) < len(header):
    raise UserError(f'--labels={path}: two columns of one name: {", ".join(header)}')
  records = []
  try:
    for row in reader:
      # csv gives None for what is missing in a short row, and None as a key for what is too much.
      if None in row or None in row.values():
        raise UserError(
          f'--labels={path}: line {reader.line_num} has not the {len(header)} values of the header'
        )
      values = {name: value.strip() for name, value in row.items()}
      records.append((values.pop(key), values))
  except csv.Error as error:
    raise UserError(f'--labels={path}: line {reader.line_num}: {error}') from error
  return records


def _json(path: str, text: str) -> list[tuple[str, dict[str, str]]]:
  accepted = (
    'accepted: {"labels": [[name, class], ...]}, {name: class, ...} or [{"file": name, ...}, ...]'
  )
  try:
    data = json.loads(text)
  except json.JSONDecodeError as error:
    raise UserError(f'--labels={path}: not JSON: {error}') from error
  if isinstance(data, dict) and 'labels' in data and not isinstance(data['labels'], str):
    if data['labels'] is None:
      raise UserError(f'--labels={path}: its labels are null; leave --labels out')
    data = data['labels'] if isinstance(data['labels'], dict) else _pairs(path, data['labels'])
  if isinstance(data, dict):
    entries = list(data.items())
  elif isinstance(data, list) and all(isinstance(entry, dict) for entry in data):
    entries = []
    for number, entry in enumerate(data):
      key = next((name for name in entry if name.lower() in _NAME_COLUMNS), None)
      if key is None:
        raise UserError(f'--labels={path}: entry {number} names no image; {accepted}')
      entries.append((str(entry[key]), {k: v for k, v in entry.items() if k != key}))
  else:
    raise UserError(f'--labels={path}: {accepted}')
  return [
    (name, {str(k): _text(v) for k, v in about.items()})
    if isinstance(about, dict)
    else (name, {'label': _text(about)})
    for name, about in entries
  ]


def _pairs(path: str, pairs: Any) -> dict[str, Any]:
  found: dict[str, Any] = {}
  for number, pair in enumerate(pairs if isinstance(pairs, list) else [pairs]):
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
      raise UserError(f'--labels={path}: entry {number} of `labels` is not [name, class]')
    found[pair[0]] = pair[1]
  return found


def _text(value: Any) -> str:
  if isinstance(value, bool):
    return str(int(value))
  return value if isinstance(value, str) else '' if value is None else json.dumps(value)


def _label_column(path: str, columns: Sequence[str], label: str) -> str:
  if label:
    if label not in columns:
      raise UserError(f'--label={label}: no such column in {path}; {nearest(label, columns)}')
    return label
  named = [column for column in columns if column.lower() in _LABEL_COLUMNS]
  return named[0] if named else columns[0] if len(columns) == 1 else ''


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
      whole match) counts; '': what the image itself says, such as its patient, or else its name.
    table: of the label file, if there is one.

  Raises:
    UserError: for neither a column nor a regular expression.
  """
  if not group:
    return lambda name, row, own: own or name
  if table is not None and group in table.columns:
    return lambda name, row, own: row[group]
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
    return found or ''

  return matched


def class_names(labels: Sequence[str]) -> list[str]:
  """All classes in order: numbers by value, other names by the alphabet."""
  found = set(labels)
  if all(re.fullmatch(r'\d{1,9}', label) for label in found):
    return sorted(found, key=int)
  return sorted(found)
