"""Where a user's files are: a folder, an archive, arrays, tables or a TFDS dataset."""

import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any

from PIL import Image

from gan_jax.data.ingest import archives, arrays, beginnings, files, folders, npz
from gan_jax.data.ingest.files import File, Source
from gan_jax.errors import UserError

ACCEPTED = 'a folder, .zip, .tar, .npy, .npz, .parquet, a DICOM or NIfTI file, tfds:NAME'


def open_source(
  source: str,
  data_dir: str,
  open_tfds: Callable[[str, str], Any],
  follow_links: bool = False,
) -> Source:
  """Opens a folder, .zip, .tar (also compressed), .npy, .npz, .parquet, single file, `tfds:NAME`.

  A container is told by its first bytes, whatever its name is.

  Args:
    source: as the user gave it.
    data_dir: where TFDS looks for a dataset of that name.
    open_tfds: opens a dataset by name and folder.
    follow_links: take what symbolic links in a folder lead to.

  Raises:
    UserError: where there is nothing of the kind.
  """
  if source.startswith('tfds:'):
    return _tfds(open_tfds(source.removeprefix('tfds:'), data_dir))
  path = pathlib.Path(os.path.expanduser(source))
  if not os.path.exists(path):
    raise UserError(f'--source={source}: there is no such file or folder; accepted: {ACCEPTED}')
  try:
    if path.is_dir():
      return folders.open_folder(path, follow_links, _open_container)
    if not path.is_file():
      raise UserError(f'--source={source}: neither a regular file nor a folder')
    return _file(path, source)
  except UserError:
    raise
  except Exception as error:  # what libraries raise at files that are broken or made to break
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raise UserError(f'--source={source}: cannot be read: {lines[0]}') from error


def _file(path: pathlib.Path, source: str) -> Source:
  kind = beginnings.kind_of_file(path, any_tar=True)
  if kind == 'npy':
    return arrays.open_npy(path)
  if kind == 'npz':
    return npz.open_npz(path)
  if kind in beginnings.CONTAINERS:
    return _open_container(path, kind)
  if kind:
    raise UserError(f'--source={source}: {beginnings.advice(kind)}')
  if beginnings.is_called_archive(path) and not _is_image(path):
    raise UserError(f'--source={source}: a broken or truncated archive; it cannot be read: it does '
                    'not begin as its name says')  # fmt: skip
  size = path.stat().st_size
  if size > files.MAX_FILE_BYTES:
    raise UserError(f'--source={source}: {files.TOO_LARGE.format(size)}')
  return Source([File(files.shown(path.name), path.read_bytes, stamp=files.stamp(path))], [], {})


def _is_image(path: pathlib.Path) -> bool:
  try:
    Image.open(path).close()
  except Exception:  # whatever Pillow's readers raise at a file that is none
    return False
  return True


def _open_container(path: pathlib.Path, kind: str) -> Source:
  if kind == 'parquet':
    from gan_jax.data.ingest import parquet  # half a second that no other source needs

    return parquet.open_parquet(path)
  if kind == 'npz':
    return npz.open_npz(path, alone=False)
  return {'zip': archives.open_zip, 'tar': archives.open_tar}[kind](path)


def _tfds(builder: Any) -> Source:
  import tensorflow_datasets as tfds

  features = builder.info.features
  if 'image' not in features:
    raise UserError(f'--source=tfds:{builder.name}: has no feature `image`')
  names = getattr(features['label'], 'names', None) if 'label' in features else None
  found = []
  for split in builder.info.splits:
    try:
      records = builder.as_data_source(split, decoders={'image': tfds.decode.SkipDecoding()})
    except NotImplementedError as error:
      raise UserError(
        f'--source=tfds:{builder.name}: in {builder.data_dir}, is not in ArrayRecord files'
      ) from error
    for row in range(len(records)):
      record = records[row]
      number = int(record['label']) if names else -1  # which is TFDS's for: not known
      label = names[number] if names and number >= 0 else ''
      group = record['group'] if 'group' in features else b''
      group = group.decode() if isinstance(group, bytes) else str(group)
      read = functools.partial(_image_of, records, row)
      stamp = f'{builder.info.full_name} {(builder.info.metadata or {}).get("checksum")}'
      found.append(File(f'{split}/{row:08d}', read, label, split, stamp, group))
  return Source(found, [], {})


def _image_of(records: Any, row: int) -> bytes:
  return records[row]['image']
