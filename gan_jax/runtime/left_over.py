"""What killed processes left half written: files and folders that end in `.tmp`."""

import contextlib
import pathlib
import time
from collections.abc import Iterator

_SECONDS = 3600.0  # age at which what is in the making belongs to no process any more


def paths(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Those in a folder that nobody writes any more."""
  for path in folder.glob('*.tmp'):
    with contextlib.suppress(OSError):  # gone meanwhile, or not to be looked at
      if time.time() - path.stat().st_mtime > _SECONDS:
        yield path
