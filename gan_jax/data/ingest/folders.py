"""A folder as a source, with the containers that lie in it; links lead out of it when asked to."""

import os
import pathlib
from collections.abc import Callable, Iterator

from gan_jax.data.ingest import arrays, beginnings, files
from gan_jax.data.ingest.files import File, Source
from gan_jax.data.ingest.picture import first_line


def open_folder(
  root: pathlib.Path, follow_links: bool, open_container: Callable[[pathlib.Path, str], Source]
) -> Source:
  """Lists a folder and all below it.

  An archive, a Parquet file or an .npz in it is a folder of its own, called as the file without its
  ending.

  Args:
    root: the folder.
    follow_links: take what symbolic links lead to, wherever that is; each folder once.
    open_container: opens a file of the kind that it is told.
  """
  found = Source([], [], {})
  real_root = os.path.realpath(root)
  shown_of = lambda path: files.shown(pathlib.Path(path).relative_to(root).as_posix())
  closed = lambda error: found.refused.append(
    (shown_of(error.filename), f'not listed: {error.strerror}')
  )
  for folder, names in _walk(root, follow_links, found.refused, shown_of, closed):
    for name in names:
      path = pathlib.Path(folder, name)
      shown = shown_of(path)
      if files.is_beside(shown):
        found.beside[shown] = _reader(path)
      elif reason := _reason_against(path, '' if follow_links else real_root):
        found.refused.append((shown, reason))
      else:
        _add(found, path, shown, open_container)
  files_in_order = sorted(found.files, key=lambda file: file.name)
  beside = dict(sorted(found.beside.items()))
  return Source(files_in_order, sorted(found.refused), beside).checked()


def _walk(
  root: pathlib.Path,
  follow_links: bool,
  refused: list[tuple[str, str]],
  shown_of: Callable[[pathlib.Path], str],
  closed: Callable[[OSError], None],
) -> Iterator[tuple[str, list[str]]]:
  """Folders, and the names of what is in them; each folder once, whatever links lead to it."""
  walked = {os.path.realpath(root)}
  for folder, folders, names in os.walk(root, onerror=closed, followlinks=follow_links):
    for name in sorted(folders):
      inner = pathlib.Path(folder, name)
      if name.startswith(('.', '__MACOSX')):
        folders.remove(name)
      elif inner.is_symlink() and not follow_links:
        refused.append((shown_of(inner), 'a symbolic link to a folder; --follow_links follows it'))
      elif follow_links:
        real = os.path.realpath(inner)
        if real in walked:
          folders.remove(name)
          refused.append((shown_of(inner), 'a folder that is there under another name too'))
        walked.add(real)
    yield folder, names


def _reason_against(path: pathlib.Path, within: str) -> str:
  """Why a file is not taken; '': it is. It has to lie within a folder, where one is named."""
  if path.is_symlink() and within:
    real = os.path.realpath(path)
    if os.path.commonpath([real, within]) != within:
      return 'a symbolic link out of the folder; --follow_links follows it'
  if not path.exists():
    return 'a symbolic link to nothing'
  if not path.is_file():
    return 'not a regular file'
  return ''


def _add(
  found: Source,
  path: pathlib.Path,
  shown: str,
  open_container: Callable[[pathlib.Path, str], Source],
) -> None:
  """Adds a file, or the images of a container."""
  size = path.stat().st_size
  try:
    kind = '' if beginnings.is_plain_image(shown) else beginnings.kind_of_file(path)
    if kind == 'npy':
      found.files.extend(arrays.files_of_npy(path, shown))
    elif kind in beginnings.CONTAINERS:
      stem = shown.rpartition('/')[0]
      inner = open_container(path, kind).within(f'{stem}/{_stem(path)}'.removeprefix('/'))
      found.files.extend(inner.files)
      found.refused.extend(inner.refused)
      found.beside.update(inner.beside)
    elif kind:
      found.refused.append((shown, beginnings.advice(kind)))
    elif size > files.MAX_FILE_BYTES:
      found.refused.append((shown, files.TOO_LARGE.format(size)))
    else:
      found.files.append(File(shown, path.read_bytes, stamp=files.stamp(path), size=size))
  except files.NoImagesError:
    found.beside[shown] = _reader(path)
  except Exception as error:  # what libraries raise at containers broken or made to break
    found.refused.append((shown, f'cannot be read: {first_line(error)}'))


def _stem(path: pathlib.Path) -> str:
  name = files.shown(path.name)
  stem = name.rpartition('.')[0] or name
  return stem.removesuffix('.tar') or stem


def _reader(path: pathlib.Path) -> Callable[[], bytes]:
  def read() -> bytes:
    files.check_table(path.stat().st_size)
    return path.read_bytes()

  return read
