"""Reads label files: CSV and TSV, JSON and JSON lines, CelebA's lists, Parquet; rows by name."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from gan_jax.errors import UserError, nearest

_NAME_COLUMNS = (
  'file', 'filename', 'file_name', 'filepath', 'file_path', 'name', 'path', 'image', 'image_id',
  'image_name', 'image_path', 'image index', 'img', 'img_path',
)  # fmt: skip
_JSON = (
  'accepted: {"labels": [[name, class], ...]}, {name: class, ...} or [{"file": name, ...}, ...]'
)

Rows = list[tuple[str, dict[str, str]]]


def read(path: str, data: bytes, name_column: str, label: str) -> tuple[Rows, list[str]]:
  """Reads the name of the image and the other values of each row.

  CSV and TSV have a header; one column names the image. JSON is StyleGAN's `dataset.json`
  (`{"labels": [[name, class], ...]}`), an object of classes or attributes by name, or a list of
  objects; JSON lines are an object a line, as `metadata.jsonl`. Text is as CelebA's
  `list_attr_celeba.txt` (a count, the columns, then rows), or has a name and a class a line.

  Args:
    path: of the file, for messages; its ending tells text and JSON from CSV.
    data: of the file.
    name_column: the column of the image's name; '': the first of the usual names.
    label: the column of the class, or '': it must not hold lists.

  Returns:
    The rows, and the columns that were left out, as they hold lists or objects.

  Raises:
    UserError: for a file that cannot be read so.
  """
  if data.startswith(b'PAR1'):
    return _parquet(path, data, name_column), []
  try:
    text = io.TextIOWrapper(io.BytesIO(data), 'utf-8-sig').read()
  except UnicodeDecodeError as error:
    raise UserError(f'--labels={path}: cannot be read: {error}; accepted: UTF-8') from error
  ending = path.lower().rpartition('.')[2]
  if ending == 'json':
    return _json(path, text, name_column, label)
  if ending in ('jsonl', 'ndjson'):
    return _json_lines(path, text, name_column, label)
  if ending in ('txt', 'text', 'list') and (rows := _plain(path, text)) is not None:
    return rows, []
  return _csv(path, text, name_column), []


def _key_of(path: str, columns: Sequence[str], asked: str, where: str = '') -> str | None:
  """The column that names the image; None where there is none of the usual names."""
  if asked:
    if asked not in columns:
      raise UserError(
        f'--name_column={asked}: no such column in {path}{where}; {nearest(asked, columns)}'
      )
    return asked
  return next((name for name in columns if name.strip().lower() in _NAME_COLUMNS), None)


def _no_key(path: str, columns: Sequence[str]) -> UserError:
  return UserError(
    f'--labels={path}: no column names the image; found: {", ".join(columns) or "no header"}; '
    f'accepted: {", ".join(_NAME_COLUMNS)}; --name_column=COLUMN names another'
  )


def _plain(path: str, text: str) -> Rows | None:
  """Rows of a text with blanks between, or None where it is something else.

  Either a line with their number, a line with the columns, then a line a row, as CelebA's lists
  are; or a name and a class a line.
  """
  lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
  lines = [(number, words) for number, words in lines if words]
  if len(lines) > 2 and len(lines[0][1]) == 1 and lines[0][1][0].isdecimal():
    columns, rows = lines[1][1], lines[2:]
    width = len(rows[0][1])
    if width == len(columns):  # the name has a column too
      columns = columns[1:]
    if len(rows) != int(lines[0][1][0]):
      raise UserError(
        f'--labels={path}: its first line says {lines[0][1][0]} rows, and it has {len(rows):,}'
      )
    for number, words in rows:
      if len(words) != len(columns) + 1:
        raise UserError(
          f'--labels={path}: line {number} has {len(words)} values; accepted: a name and '
          f'{len(columns)} others'
        )
    return [(words[0], dict(zip(columns, words[1:], strict=True))) for _, words in rows]
  if lines and all(len(words) == 2 for _, words in lines) and ',' not in text:
    header = lines[0][1][0].lower() in _NAME_COLUMNS
    column = lines[0][1][1] if header else 'label'
    return [(words[0], {column: words[1]}) for _, words in lines[header:]]
  return None


def _parquet(path: str, data: bytes, name_column: str) -> Rows:
  from gan_jax.data.ingest import parquet

  try:
    rows = parquet.read_rows(data)
  except Exception as error:  # whatever a broken one raises
    raise UserError(f'--labels={path}: cannot be read: {" ".join(str(error).split())}') from error
  columns = list(rows[0]) if rows else []
  key = _key_of(path, columns, name_column)
  if rows and key is None:
    raise _no_key(path, columns)
  return [(row[key], {k: v for k, v in row.items() if k != key}) for row in rows if key]


def _csv(path: str, text: str, name_column: str) -> Rows:
  first = text.split('\n', 1)[0]
  separator = max(',;\t', key=first.count)
  reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
  try:
    lines = [(reader.line_num, line) for line in reader if any(line)]
  except csv.Error as error:
    raise UserError(f'--labels={path}: line {reader.line_num}: {error}') from error
  header = [name.strip() for name in lines[0][1]] if lines else []
  key = _key_of(path, header, name_column)
  if key is None:
    raise _no_key(path, header)
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


def _json(path: str, text: str, name_column: str, label: str) -> tuple[Rows, list[str]]:
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
    entries = _named(path, data, name_column) if isinstance(data, list) else None
  if isinstance(data, dict):
    entries = list(data.items())
  if entries is None:
    raise UserError(f'--labels={path}: {_JSON}')
  return _texts(path, entries, label)


def _json_lines(path: str, text: str, name_column: str, label: str) -> tuple[Rows, list[str]]:
  objects = []
  for number, line in enumerate(text.split('\n'), 1):
    try:
      if line.strip():
        objects.append(json.loads(line, object_pairs_hook=_unique))
        json.dumps(objects[-1], ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
      raise UserError(f'--labels={path}: line {number} is no JSON: {error}') from error
  return _texts(path, _named(path, objects, name_column), label)


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


def _named(path: str, entries: list[Any], name_column: str) -> list[tuple[str, Any]]:
  found = []
  for number, entry in enumerate(entries):
    keys = list(entry) if isinstance(entry, dict) else []
    key = _key_of(path, keys, name_column, f', entry {number}')
    if key is None:
      raise UserError(
        f'--labels={path}: entry {number} names no image; {_JSON}; --name_column=KEY names it'
      )
    found.append((str(entry[key]), {k: v for k, v in entry.items() if k != key}))
  return found


def _texts(path: str, entries: list[tuple[str, Any]], label: str) -> tuple[Rows, list[str]]:
  """Rows of texts, without the columns that hold lists or objects; these are no class."""
  rows: Rows = []
  left_out: dict[str, None] = {}
  for name, about in entries:
    row = about if isinstance(about, dict) else {'label': about}
    for column, value in row.items():
      if isinstance(value, list | dict):
        left_out[column] = None
        if column == (label or 'label'):
          raise UserError(
            f'--labels={path}: {name}: {column} is {json.dumps(value)[:40]}; accepted: a class as '
            'text or one number; vectors, such as one-hot, are not read'
          )
    rows.append((name, {column: text_of(value) for column, value in row.items()}))
  kept = [(name, {k: v for k, v in row.items() if k not in left_out}) for name, row in rows]
  return kept, list(left_out)


def text_of(value: Any) -> str:
  """A value of JSON as the text that a table holds."""
  if isinstance(value, bool):
    return str(int(value))
  return value.strip() if isinstance(value, str) else '' if value is None else json.dumps(value)
