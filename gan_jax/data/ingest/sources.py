"""Where a user's files are: a folder, an archive, arrays or a TFDS dataset, read file by file."""

import functools
import os
import pathlib
import re
import stat
import tarfile
import threading
import unicodedata
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.ingest import pairs
from gan_jax.errors import UserError

MAX_FILE_BYTES = 2**30  # an archive may claim any size for what it holds
# What lies beside images and is none: not tried, but told of.
_BESIDE = (
  '.csv', '.db', '.doc', '.docx', '.htm', '.html', '.ini', '.json', '.lut', '.md', '.pdf', '.py',
  '.tsv', '.txt', '.xml', '.yaml', '.yml',
)  # fmt: skip


_ARCHIVES = ('.zip', '.tar', '.tgz', '.tar.gz', '.tar.bz2', '.tar.xz')
_THREADS = 64  # that may ask for neighbouring files of an archive at once
_BREAKS = ('Cc', 'Zl', 'Zp')  # kinds of characters that control a terminal or end a line
_DRIVE = re.compile('[A-Za-z]:/')

# Name, size, the reason against it or '', and how to read it.
_Member = tuple[str, int, str, Callable[[], bytes]]


class File(NamedTuple):
  """One file of a source.

  Attributes:
    name: its path in the source, with `/`, in Unicode's composed form.
    read: returns what it holds: bytes as stored, or decoded pixels `[H, W, C]`.
    label: its class, where the source itself knows it.
    split: its split, likewise.
    stamp: changes when the file does.
    group: what it must not be parted from, likewise.
  """

  name: str
  read: Callable[[], bytes | np.ndarray]
  label: str = ''
  split: str = ''
  stamp: str = ''
  group: str = ''


class Source(NamedTuple):
  """All files of a source.

  Attributes:
    files: in an order that is the same every time; reading in that order is the fast way.
    refused: name and reason of what must not be read, such as a path out of an archive.
    beside: what is not meant to be an image, by name, and how to read it: a label file maybe.
  """

  files: list[File]
  refused: list[tuple[str, str]]
  beside: dict[str, Callable[[], bytes]]


def open_source(source: str, data_dir: str, open_tfds: Callable[[str, str], Any]) -> Source:
  """Opens a folder, .zip, .tar (also compressed), .npy, .npz, single file, or `tfds:NAME`.

  Args:
    source: as the user gave it.
    data_dir: where TFDS looks for a dataset of that name.
    open_tfds: opens a dataset by name and folder.

  Raises:
    UserError: where there is nothing of the kind.
  """
  if source.startswith('tfds:'):
    return _tfds(open_tfds(source.removeprefix('tfds:'), data_dir))
  path = pathlib.Path(os.path.expanduser(source))
  if not os.path.exists(path):
    raise UserError(
      f'--source={source}: there is no such file or folder; accepted: a folder, .zip, .tar, '
      '.npy, .npz, a DICOM or NIfTI file, tfds:NAME'
    )
  try:
    if path.is_dir():
      return _folder(path)
    if not path.is_file():
      raise UserError(f'--source={source}: neither a regular file nor a folder')
    if path.suffix in ('.npy', '.npz'):
      return _arrays(path)
    if zipfile.is_zipfile(path):
      return _zip(path)
    if tarfile.is_tarfile(path):
      return _tar(path)
    if path.name.lower().endswith(_ARCHIVES):
      raise UserError(f'--source={source}: a broken or truncated archive')
    return Source([File(_name(path.name), path.read_bytes, stamp=_stamp(path))], [], {})
  except UserError:
    raise
  except Exception as error:  # what libraries raise at archives that are broken or made to break
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raise UserError(f'--source={source}: cannot be read: {lines[0]}') from error


def _folder(root: pathlib.Path) -> Source:
  files: list[File] = []
  refused: list[tuple[str, str]] = []
  beside: dict[str, Callable[[], bytes]] = {}
  real_root = os.path.realpath(root)
  shown_of = lambda path: _name(pathlib.Path(path).relative_to(root).as_posix())
  closed = lambda error: refused.append((shown_of(error.filename), f'not listed: {error.strerror}'))
  for folder, folders, names in os.walk(root, onerror=closed):
    for name in list(folders):
      inner = pathlib.Path(folder, name)
      if inner.is_symlink():
        refused.append((shown_of(inner), 'a symbolic link to a folder'))
      if name.startswith(('.', '__MACOSX')):
        folders.remove(name)
    for name in names:
      path = pathlib.Path(folder, name)
      shown = shown_of(path)
      if _is_beside(shown):
        beside[shown] = path.read_bytes
      elif path.is_symlink() and not _within(os.path.realpath(path), real_root):
        refused.append((shown, 'a symbolic link out of the folder'))
      elif not path.exists():
        refused.append((shown, 'a symbolic link to nothing'))
      elif not path.is_file():
        refused.append((shown, 'not a regular file'))
      else:
        files.append(File(shown, path.read_bytes, stamp=_stamp(path)))
  by_name = lambda file: file.name
  return _checked(Source(sorted(files, key=by_name), sorted(refused), dict(sorted(beside.items()))))


def _zip(path: pathlib.Path) -> Source:
  archive = zipfile.ZipFile(path)
  members: list[_Member] = []
  for info in archive.infolist():
    if info.is_dir():
      continue
    link = stat.S_ISLNK(info.external_attr >> 16)
    reason = 'a symbolic link' if link else 'encrypted' if info.flag_bits & 1 else ''
    members.append((info.filename, info.file_size, reason, functools.partial(archive.read, info)))
  return _members(members, _stamp(path))


def _tar(path: pathlib.Path) -> Source:
  archive = tarfile.open(path)  # noqa: SIM115 - stays open as long as its files are read
  members = [member for member in archive.getmembers() if not member.isdir()]
  while archive.fileobj and archive.fileobj.read(2**20):  # its checksum is at the end
    pass
  reader = _Onwards(archive, members)
  found: list[_Member] = []
  for place, member in enumerate(members):
    link = member.issym() or member.islnk()
    reason = 'a link' if link else '' if member.isfile() else 'not a regular file'
    found.append((member.name, member.size, reason, functools.partial(reader.read, place)))
  return _members(found, _stamp(path))


class _Onwards:
  """Reads a tar in its order, though several threads ask: gzip goes back by starting again."""

  def __init__(self, archive: tarfile.TarFile, members: list[tarfile.TarInfo]):
    self._archive, self._members = archive, members
    self._lock = threading.Lock()
    self._next = 0
    self._held: dict[int, bytes] = {}  # read on the way to another, by place

  def read(self, place: int) -> bytes:
    with self._lock:
      if place not in self._held:
        near = self._next <= place < self._next + _THREADS
        for index in range(self._next if near else place, place + 1):
          member = self._members[index]
          if member.isreg() and member.size <= MAX_FILE_BYTES:
            file = self._archive.extractfile(member)
            assert file is not None  # a regular file
            self._held[index] = file.read()
        self._next = place + 1
      data = self._held.pop(place)
      self._held = {index: held for index, held in self._held.items() if index > place - _THREADS}
      return data


def _members(members: list[_Member], stamp: str) -> Source:
  """Makes a source of an archive's members: name, size, reason against it, how to read it."""
  files: list[File] = []
  refused: list[tuple[str, str]] = []
  beside: dict[str, Callable[[], bytes]] = {}
  for stored, size, reason, read in members:
    raw = stored.removeprefix('./')
    name, path = _name(raw), raw.replace('\\', '/')
    parts = path.split('/')
    if not reason and (path.startswith('/') or '..' in parts or _DRIVE.match(path)):
      reason = 'its path leads out of the archive'
    if not reason and size > MAX_FILE_BYTES:
      reason = f'{size:,} bytes; at most {MAX_FILE_BYTES:,}'
    if any(part.startswith(('.', '__MACOSX')) for part in parts[:-1] if part != '..'):
      continue
    if reason:
      refused.append((name, reason))
    elif _is_beside(name):
      beside[name] = read
    else:
      files.append(File(name, read, stamp=stamp))
  return _checked(Source(files, refused, beside))  # in the archive's order: that reads on and on


def _arrays(path: pathlib.Path) -> Source:
  """An array of images `[N, H, W]` or `[N, H, W, C]`, in .npz with an array of labels beside."""
  labels = None
  beside: dict[str, Callable[[], bytes]] = {}
  loaded = np.load(path, mmap_mode='r', allow_pickle=False)  # a pickle could run any program
  if isinstance(loaded, np.ndarray):
    images = loaded
  else:
    chosen = _pick(loaded, path, ('images', 'image', 'x', 'x_train', 'arr_0'))
    images = loaded[chosen]
    names = [name for name in ('labels', 'label', 'y', 'y_train') if name in loaded.files]
    labels = loaded[names[0]].reshape(-1) if names else None
    unused = set(loaded.files) - {chosen, *names[:1]}  # such as `x_test`, told of, not taken
    beside = {name: functools.partial(_array_bytes, loaded, name) for name in sorted(unused)}
  if images.ndim == 3 and images.shape[-1] in (3, 4):
    raise UserError(
      f'--source={path}: an array of shape {images.shape} may be one image in colour or many grey '
      'ones; accepted: [N, H, W, C]'
    )
  if images.ndim == 3:
    images = images[..., None]
  if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or not images.size:
    raise UserError(
      f'--source={path}: an array of shape {images.shape}; accepted: [N, H, W] or [N, H, W, C] '
      'with C of 1, 3 or 4'
    )
  if labels is not None and len(labels) != len(images):
    raise UserError(f'--source={path}: {len(images):,} images and {len(labels):,} labels')
  stamp = _stamp(path)
  files = []
  for row in range(len(images)):
    label = '' if labels is None else str(labels[row])
    files.append(File(f'{row:08d}', functools.partial(images.__getitem__, row), label, stamp=stamp))
  return Source(files, [], beside)


def _array_bytes(loaded: Any, name: str) -> bytes:
  return loaded[name].tobytes()


def _pick(loaded: Any, path: pathlib.Path, names: tuple[str, ...]) -> str:
  """The name of the array that holds the images."""
  for name in names:
    if name in loaded.files:
      return name
  raise UserError(
    f'--source={path}: holds {", ".join(loaded.files)}; the images are looked for as '
    f'{", ".join(names)}'
  )


def _tfds(builder: Any) -> Source:
  import tensorflow_datasets as tfds

  features = builder.info.features
  if 'image' not in features:
    raise UserError(f'--source=tfds:{builder.name}: has no feature `image`')
  names = getattr(features['label'], 'names', None) if 'label' in features else None
  files = []
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
      files.append(File(f'{split}/{row:08d}', read, label, split, stamp, group))
  return Source(files, [], {})


def _image_of(records: Any, row: int) -> bytes:
  return records[row]['image']


def _checked(source: Source) -> Source:
  """Refuses a second file of one name, which composed and decomposed Unicode can bring about."""
  seen: set[str] = set()
  files = []
  for file in source.files:
    if file.name in seen:
      source.refused.append((file.name, 'a second file of that name'))
    else:
      seen.add(file.name)
      files.append(file)
  return source._replace(files=pairs.joined(files))


def _is_beside(name: str) -> bool:
  base = name.rsplit('/', 1)[-1]
  return base.startswith('.') or base.lower().endswith(_BESIDE) or base == 'DICOMDIR'


def _name(text: str) -> str:
  """A file's name as text that can be printed and stored on one line, whatever its bytes are."""
  shown = os.fsencode(text).decode('utf-8', 'backslashreplace')
  shown = ''.join(f'\\x{ord(c):02x}' if unicodedata.category(c) in _BREAKS else c for c in shown)
  return unicodedata.normalize('NFC', shown)


def _within(path: str, root: str) -> bool:
  return os.path.commonpath([path, root]) == root


def _stamp(path: pathlib.Path) -> str:
  about = path.stat()
  return f'{about.st_size}-{about.st_mtime_ns}'
