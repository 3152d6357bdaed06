"""Fetches packages that carry images, and unpacks them without installing anything."""

import functools
import logging
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
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
  reason = 'there is no apt-get here'
  if shutil.which('apt-get') and shutil.which('dpkg-deb'):
    for package, root in zip(packages, unpacked, strict=True):
      reason = _into(root, functools.partial(_fetch_debian, package))
      if not reason and (found := _find(root, holds)):
        return found
  raise UserError(
    f'needs the Debian package {" or ".join(packages)}, and {reason}; '
    f'install it (apt-get install {packages[0]}), or unpack it: '
    f'dpkg-deb -x {packages[0]}_*.deb {unpacked[0]}'
  )


def npm(package: str, version: str, holds: str, folder: str | os.PathLike[str]) -> pathlib.Path:
  """Finds what an npm package brings: unpacked before, or fetched now; see `debian`."""
  root = pathlib.Path(folder) / f'{package.replace("/", "+")}-{version}'
  if found := _find(root, holds):
    return found
  reason = 'there is no npm here'
  if shutil.which('npm'):
    reason = _into(root, functools.partial(_fetch_npm, f'{package}@{version}'))
    if not reason and (found := _find(root, holds)):
      return found
  raise UserError(
    f'needs the npm package {package}@{version}, and {reason}; on a machine that has npm run '
    f'`npm pack {package}@{version}` and unpack it: tar -xzf *.tgz -C {root}'
  )


def _find(root: pathlib.Path, holds: str) -> pathlib.Path | None:
  return next(iter(sorted(root.glob(holds))), None) if root.is_dir() else None


def _into(root: pathlib.Path, fetch: Callable[[str], None]) -> str:
  """Fills `root` as a whole or not at all; returns why not, or ''."""
  logging.getLogger(__name__).info('fetching %s (once; kept in %s)', root.name, root)
  os.makedirs(root.parent, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=root.parent, prefix=f'.{root.name}-') as part:
    try:
      fetch(part)
      os.rename(os.path.join(part, 'unpacked'), root)
    except subprocess.CalledProcessError as error:
      lines = (error.stderr or error.stdout or '').strip().splitlines()
      return f'{error.cmd[0]} failed: {lines[-1] if lines else error.returncode}'
    except (OSError, subprocess.TimeoutExpired, tarfile.TarError, IndexError) as error:
      return f'fetching it failed: {error}'
  return ''


def _fetch_debian(package: str, part: str) -> None:
  _run(['apt-get', 'download', package], part)
  archive = next(name for name in os.listdir(part) if name.endswith('.deb'))
  _run(['dpkg-deb', '-x', archive, 'unpacked'], part)
  os.remove(os.path.join(part, archive))


def _fetch_npm(package: str, part: str) -> None:
  _run(['npm', 'pack', '--silent', package], part)
  archive = next(name for name in os.listdir(part) if name.endswith('.tgz'))
  with tarfile.open(os.path.join(part, archive)) as file:
    file.extractall(os.path.join(part, 'unpacked'), filter='data')


def _run(command: list[str], folder: str) -> None:
  subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
