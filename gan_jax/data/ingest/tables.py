"""What a preparation knows of its images beside them: label files, or the source's own columns."""

import os
from collections.abc import Callable

from gan_jax.data.ingest import labels
from gan_jax.data.ingest.files import Source
from gan_jax.data.ingest.options import Options
from gan_jax.errors import UserError, nearest

_TABLES = ('.csv', '.tsv', '.json', '.jsonl', '.ndjson', '.txt', '.parquet')


def open_table(options: Options, source: Source) -> labels.Table | None:
  """Reads the label file or files, or takes what the source itself knows of its images.

  Raises:
    UserError: for files that are not there, cannot be read or name no image, and other columns.
  """
  if options.labels in ('', 'folders'):
    if options.name_column:
      raise UserError(f'--name_column={options.name_column}: is of a label file, and --labels '
                      'names none')  # fmt: skip
    own = {file.name: file.row for file in source.files}
    table = labels.own_table(options.source, own, options.label)
    if options.label and table is None:
      raise UserError(f'--label={options.label}: names a column, and --labels names no file')
    return table
  names = list(dict.fromkeys(file.part_of or file.name for file in source.files))
  found = _label_files(options, source)
  table = labels.read_tables(found, options.label, names, options.group, options.name_column)
  if names and not set(table.rows) - set(table.unmatched):
    raise UserError(
      f'--labels={options.labels}: none of its {len(table.rows):,} rows names an image of '
      f'--source={options.source}; rows: {next(iter(table.rows))}, ...; images: {names[0]}, ...; '
      '--name_column=COLUMN takes the names of another column'
    )
  return table


def _label_files(
  options: Options, source: Source
) -> list[tuple[str, Callable[[], bytes] | None, str]]:
  """The label file, which lies anywhere or in the source, or those of that name in its folders.

  Returns:
    Of each its path, how it is read where it is in the source, and its folder there.
  """
  path = os.path.expanduser(options.labels)
  if os.path.exists(path):
    root = os.path.realpath(os.path.expanduser(options.source))
    folder = os.path.relpath(os.path.realpath(os.path.dirname(path)), root).replace(os.sep, '/')
    return [(path, None, '' if folder.startswith('.') else folder)]
  folder_of = lambda name: name.rpartition('/')[0]
  if options.labels in source.beside:
    return [(options.labels, source.beside[options.labels], folder_of(options.labels))]
  inside = [name for name in source.beside if name.endswith(f'/{options.labels}')]
  if not inside and source.beside:
    tables = [name for name in source.beside if name.lower().endswith(_TABLES)]
    raise UserError(
      f'--labels={options.labels}: there is no such file, neither here nor in '
      f'--source={options.source}; {nearest(options.labels, ["folders", *tables])}'
    )
  return [(name, source.beside[name], folder_of(name)) for name in inside] or [(path, None, '')]
