"""`run.json`: what made each start of a run, its data, its feature networks."""

import hashlib
import os
import pathlib
import platform
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax.errors import UserError
from gan_jax.workdir.config_file import as_json, differences
from gan_jax.workdir.files import read_json, write_sealed


def read_circumstances(workdir: str) -> dict[str, Any]:
  """Reads `run.json`: `dataset`, and `starts`, one for every time the run was started.

  Of what is no run, such as the file of a published network, that is {}.

  Raises:
    UserError: where it is damaged.
  """
  if os.path.isfile(workdir):
    return {}
  try:
    found = read_json(_path(workdir))
  except FileNotFoundError:
    return {}
  dataset, starts = found.get('dataset', {}), found.get('starts', [])
  if not isinstance(dataset, dict) or not isinstance(starts, list):
    raise UserError(f'{_path(workdir)}: damaged: dataset and starts are not as they were written')
  return found


def keep_circumstances(
  workdir: str,
  config: ConfigDict,
  dataset: dict[str, Any],
  step: int = 0,
  images: int = 0,
  own_files: dict[str, str] | None = None,
  teachers: dict[str, str] | None = None,
) -> None:
  """Adds to `run.json` what made this start of the run.

  A start says what it changed of the config, and has the digest of the code that it ran; of each
  code, `code` has the digests of its files, and `config` is that of the newest start.

  Args:
    workdir: of the run.
    config: of the run.
    dataset: shape, classes and fingerprints of what it is trained on.
    step: that it goes on from.
    images: shown before.
    own_files: digests of the user's own files that are part of the code, by path.
    teachers: digests of the weights of fixed networks that the discriminator stands on, by name.
  """
  run = read_circumstances(workdir)
  run['dataset'] = dataset
  content, code = as_json(config), {**code_files(), **(own_files or {})}
  changed = dict(differences(run.get('config', content), content))
  digest = _digest('\n'.join(f'{name} {digest}' for name, digest in code.items()).encode())
  start = {**circumstances(), 'seed': config.seed, 'step': step, 'images': images, 'code': digest}
  run.setdefault('starts', []).append({**start, 'changed': list(changed.values())})
  run.setdefault('code', {})[digest] = code
  run['config'] = content
  if teachers:
    run['teachers'] = teachers
  write_sealed(_path(workdir), run)


def keep_features(workdir: str, description: dict[str, Any]) -> None:
  """Adds to `run.json` what the feature networks of its scores are."""
  write_sealed(_path(workdir), {**read_circumstances(workdir), 'features': description})


def keep_init(workdir: str, told: dict[str, Any]) -> None:
  """Writes `init.json`: which run this one started from, what was taken of it, and what is new.

  `run.json` gets the same but for the names of arrays.
  """
  write_sealed(os.path.join(workdir, 'init.json'), told)
  short = {name: value for name, value in told.items() if not isinstance(value, dict)}
  if 'grown' in told:
    short['grown'] = told['grown']
  write_sealed(_path(workdir), {**read_circumstances(workdir), 'init': short})


def keep_memory(workdir: str, chosen: dict[str, Any]) -> None:
  """Adds to `run.json` what was chosen so that a step fits a budget of memory."""
  write_sealed(_path(workdir), {**read_circumstances(workdir), 'memory': chosen})


def check_dataset(workdir: str, dataset: dict[str, Any], way_out: str) -> None:
  """Raises UserError where the run in the workdir saw other data than this.

  Args:
    workdir: of the run.
    dataset: as `build.describe` gives it.
    way_out: what the user can do, for the message.
  """
  old = read_circumstances(workdir).get('dataset', {}).get('fingerprints')
  if old is None:
    return
  changed = [text for _, text in differences(old, dataset['fingerprints'], 'fingerprint')]
  if changed:
    raise UserError(
      f'--workdir={workdir} holds a run on other data: {"; ".join(changed)}; {way_out}'
    )


def circumstances() -> dict[str, Any]:
  """When, with what code and on what machine this process runs."""
  return {
    'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    'command': sys.argv,
    'git': _git(),
    'python': platform.python_version(),
    'packages': packages(),
    'platform': platform.platform(),
    'processors': os.cpu_count(),
    'cores': usable_cores(),
    'devices': [str(device) for device in jax.devices()],
    'device_kind': jax.devices()[0].device_kind,
    'hosts': jax.process_count(),
  }


def usable_cores() -> int:
  """Cores that this process may use: threads share sums out among them, which decides last bits."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def packages() -> dict[str, str]:
  """The versions of all packages that are installed, by name."""
  found = {(each.name or '').lower(): each.version for each in metadata.distributions()}
  return dict(sorted((name, version) for name, version in found.items() if name))


def code_files() -> dict[str, str]:
  """The digest of each file of the code, by its path from the top of the checkout."""
  package = pathlib.Path(__file__).parent.parent
  paths = sorted([*package.rglob('*.py'), package.parent / 'launch.py'])
  return {
    str(path.relative_to(package.parent)): _digest(path.read_bytes())
    for path in paths
    if path.is_file()
  }


def _digest(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()[:12]


def _path(workdir: str) -> str:
  return os.path.join(workdir, 'run.json')


def _git() -> dict[str, Any]:
  """Revision and dirtiness of the code, where it is a git checkout."""
  run = lambda *args: subprocess.run(
    ['git', '-C', os.path.dirname(__file__), *args], capture_output=True, text=True, check=True
  ).stdout.strip()
  try:
    return {'revision': run('rev-parse', 'HEAD'), 'dirty': bool(run('status', '--porcelain'))}
  except (OSError, subprocess.CalledProcessError):
    return {'revision': None, 'dirty': None}
