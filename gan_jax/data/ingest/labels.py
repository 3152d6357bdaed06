"""Which class an image is of, and what else is known of it: by folder, of a table, of itself."""

import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gan_jax.data.ingest import files, label_files, layout
from gan_jax.data.ingest.matching import Names
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError, nearest

_LABEL_COLUMNS = ('label', 'class', 'category', 'target', 'cls')
_NUMBER = re.compile(r'[-+]?[0-9]{1,300}(\.[0-9]+)?')

text_of = label_files.text_of


class Table(NamedTuple):
  """Rows of a label file by the name of the image.

  Attributes:
    source: the label file, for messages.
    columns: names of the columns, without that of the image's name.
    rows: values by column, of each image's name.
    label: the column that holds the class, or ''.
    repeated: names that have several rows which differ.
    unmatched: names in the file that are of no image of the source, and why.
    left_out: columns that hold lists or objects.
  """

  source: str
  columns: list[str]
  rows: dict[str, Mapping[str, str]]
  label: str
  repeated: set[str]
  unmatched: dict[str, str] = {}  # noqa: RUF012 - never changed
  left_out: Sequence[str] = ()

  def row(self, name: str, file: str) -> Mapping[str, str]:
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
  name_column: str = '',
) -> Table:
  """Reads a label file in one of the formats of `label_files.read`.

  Rows find their images as `matching.Names` says.

  Args:
    path: of the file.
    label: the column of the class; '': `label`, `class`, `category` or `target`, or the only one.
    names: of the source's images.
    read: returns the file, where it is none of its own, as in an archive.
    group: a column that is not the class, though it be the only one.
    name_column: the column that names the image; '': the first of the usual names.

  Raises:
    UserError: for a file that cannot be read so.
  """
  return read_tables([(path, read, '')], label, names, group, name_column)


def read_tables(
  paths: Sequence[tuple[str, Callable[[], bytes] | None, str]],
  label: str,
  names: Sequence[str],
  group: str = '',
  name_column: str = '',
) -> Table:
  """Reads several label files as one, such as one a split; see `read_table`.

  Args:
    paths: path, how it is read or None, and the folder of the source that its names begin in.
    label: as of `read_table`, as all that follow.
    names: likewise.
    group: likewise.
    name_column: likewise.
  """
  rows: dict[str, Mapping[str, str]] = {}
  repeated: set[str] = set()
  unmatched: dict[str, str] = {}
  left_out: dict[str, None] = {}
  columns: dict[str, None] = {}
  matching = Names(names)
  for path, read, folder in paths:
    try:
      if not read:
        files.check_table(os.path.getsize(path))
      data = (read or pathlib.Path(path).read_bytes)()
    except Exception as error:  # a disk's, an archive's or a decompressor's own
      raise UserError(f'--labels={path}: cannot be read: {error}') from error
    records, without = label_files.read(path, data, name_column, label)
    if not records:
      raise UserError(f'--labels={path}: has no rows')
    left_out |= dict.fromkeys(without)
    places = matching.find([raw for raw, _ in records], folder)
    for (name, reason), (_, values) in zip(places, records, strict=True):
      columns |= dict.fromkeys(values)
      if reason:
        unmatched[name] = reason
      if rows.get(name, values) != values:
        repeated.add(name)
      rows[name] = values
  found = list(columns)
  label = _label_column(paths[0][0], found, label, group)
  source = pathlib.PurePath(paths[0][0]).name
  return Table(source, found, rows, label, repeated, unmatched, list(left_out))


def own_table(source: str, rows: Mapping[str, Mapping[str, str]], label: str) -> Table | None:
  """What a source itself knows of its images, by their names; None where that is nothing.

  Raises:
    UserError: for a column that is not there.
  """
  columns = list(dict.fromkeys(column for row in rows.values() for column in row))
  if not columns:
    return None
  if label and label not in columns:
    raise UserError(f'--label={label}: no such column in {source}; {nearest(label, columns)}')
  return Table(source, columns, dict(rows), label or default_column(columns), set())


def default_column(columns: Sequence[str]) -> str:
  """The column of the class by its name, or ''."""
  lower = {column.lower(): column for column in reversed(columns)}
  return next((lower[name] for name in _LABEL_COLUMNS if name in lower), '')


def _label_column(path: str, columns: Sequence[str], label: str, group: str) -> str:
  if label:
    if label not in columns:
      raise UserError(f'--label={label}: no such column in {path}; {nearest(label, columns)}')
    return label
  if named := default_column(columns):
    return named
  return columns[0] if len(columns) == 1 and columns[0] != group else ''


def by_folder(names: Sequence[str], accepted: Sequence[str] | None = None) -> list[str]:
  """The class of each file by the folder that it lies in; '' where it lies in none.

  Args:
    names: paths of all files of a source: what is around all of them is no class.
    accepted: the classes that there may be, where they are known: of one class alone it cannot
      be seen which of the folders around it are part of its name.
  """
  found = [_folder(place.path) if not place.beside else '' for place in layout.arrange(names)]
  if accepted is not None and not set(found) <= set(accepted):
    whole = [_folder(name) for name in names]
    return whole if set(whole) <= set(accepted) else found
  return found


def _folder(path: str) -> str:
  return ' '.join(path.rpartition('/')[0].split())  # TFDS keeps one class a line, without blanks


def folder_label(name: str) -> str:
  """The class of an image by the folder that it lies in.

  Raises:
    RefusedError: where it lies in none.
  """
  folder, _, file = name.rpartition('/')
  if not folder or not file:
    raise RefusedError('lies in no folder of a class; those of splits, or around all, are none')
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
