"""What a file is by its first bytes: a container of images, or one that has to be unpacked."""

import pathlib
import re
import tarfile
import zipfile
from typing import Any

from gan_jax.data.ingest import npz

BYTES = 512
_HEADER_BYTES = 2**20  # of a tar's member, such as a long name
CONTAINERS = ('zip', 'npz', 'npy', 'parquet', 'tar')
_IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.gif', '.tif', '.tiff', '.webp', '.dcm', '.nii')
_TARS = ('.tar', '.tgz', '.tbz', '.tbz2', '.txz', '.tar.gz', '.tar.bz2', '.tar.xz')
_ZIP = (b'PK\3\4', b'PK\5\6')  # with a file, and empty
_COMPRESSED = (b'\x1f\x8b', b'BZh', b'\xfd7zXZ\0')
_ARRAYS = 'load it, and write its images with numpy.savez(FILE, images=..., labels=...)'
# Beginning, what it is of, and what to do with it.
_OTHERS = {
  rb'Rar!\x1a\x07': ('a RAR archive', 'unpack it, and name the folder'),
  rb"7z\xbc\xaf'\x1c": ('a 7z archive', 'unpack it, and name the folder'),
  rb'\x28\xb5\x2f\xfd': ('compressed by Zstandard', 'unpack it first'),
  rb'\x89HDF\r\n\x1a\n': ('an HDF5 file', _ARRAYS),
  rb'MATLAB 5\.0 MAT-file': ('a MATLAB file', _ARRAYS),
  rb'\0\0[\x08\x09\x0b-\x0e][\1-\4]\0\0': ('an IDX file, as of MNIST', _ARRAYS),
  rb'\x80[\2-\5][\x95\}\]\(cq]': ('a pickle, which could run any program', _ARRAYS),
  rb'SQLite format 3\0': ('an SQLite database', 'write its images to a folder'),
  rb'(ARROW1\0\0|\xff\xff\xff\xff.{3}\0\x10\0\0\0)': ('an Arrow file', 'save it as Parquet'),
}


def is_plain_image(name: str) -> bool:
  """Whether a name ends as those of images do: only others are looked into for containers."""
  return name.lower().endswith(_IMAGES)


def kind_of(head: bytes) -> str:
  """Which of `CONTAINERS` or of those that have to be unpacked begins so; '': none.

  What is compressed, perhaps a tar, and what is zip or npz, `kind_of_file` tells.
  """
  if head.startswith(_ZIP):
    return 'zip'
  if head.startswith(b'\x93NUMPY'):
    return 'npy'
  if head.startswith(b'PAR1'):
    return 'parquet'
  if head[257:262] == b'ustar':
    return 'tar'
  return next((kind for start, (kind, _) in _OTHERS.items() if re.match(start, head, re.S)), '')


def advice(kind: str) -> str:
  """What a file that has to be unpacked is, and what to do with it; '' for other kinds."""
  todo = dict(_OTHERS.values()).get(kind)
  return f'{kind}; {todo}' if todo else ''


def kind_of_file(path: pathlib.Path, any_tar: bool = False) -> str:
  """Which of `CONTAINERS` a file is, or what has to be unpacked; '': neither.

  Args:
    path: of a regular file.
    any_tar: it may be a tar whatever its name is; else one that begins as none does by its name.
  """
  with open(path, 'rb') as file:
    head = file.read(BYTES)
  kind = kind_of(head)
  if kind == 'zip' and _is_npz(path):
    return 'npz'
  maybe_tar = any_tar or head.startswith(_COMPRESSED) or path.name.lower().endswith(_TARS)
  if not kind and maybe_tar and _is_tar(path):
    return 'tar'
  return kind


def is_called_archive(path: pathlib.Path) -> bool:
  """Whether a file is by its name an archive, whatever it holds."""
  return path.name.lower().endswith((*_TARS, '.zip', '.npz', '.npy', '.parquet'))


def open_tar(path: pathlib.Path) -> tarfile.TarFile:
  """Opens a tar, compressed or not, whose headers are read within bounds."""
  return tarfile.open(path, tarinfo=_Header)


class _Header(tarfile.TarInfo):
  """A header that is not read where it claims a name or attributes of more than a MiB."""

  def _proc_member(self, archive: tarfile.TarFile) -> Any:
    long = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
    pax = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
    if self.type in long + pax and self.size > _HEADER_BYTES:
      raise tarfile.ReadError(f'a header of {self.size:,} bytes')
    return super()._proc_member(archive)  # type: ignore[misc]  # the standard library's own hook


def _is_tar(path: pathlib.Path) -> bool:
  try:
    open_tar(path).close()
  except Exception:  # what a decompressor raises at a file that is damaged
    return False
  return True


def _is_npz(path: pathlib.Path) -> bool:
  """Whether a zip is what `numpy.savez` writes: arrays alone, one of which is called images."""
  if path.suffix.lower() == '.npz':
    return True
  with zipfile.ZipFile(path) as archive:
    names = archive.namelist()
  if not all(name.endswith('.npy') and '/' not in name for name in names):
    return False
  return any(npz.role_of(name.removesuffix('.npy')) for name in names)
