"""`run.json`: what made each start of a run, its data, its feature networks."""

import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

import jax

from gan_jax.errors import UserError
from gan_jax.workdir.config_file import differences
from gan_jax.workdir.files import read_json, write_json

_PACKAGES = (
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'orbax-checkpoint',
  'tensorflow-datasets',
  'ml-collections',
  'grain',
  'numpy',
  'pillow',
  'scipy',
)


def read_circumstances(workdir: str) -> dict[str, Any]:
  """Reads `run.json`: `dataset`, and `starts`, one for every time the run was started.

  Raises:
    UserError: where it is damaged.
  """
  try:
    found = read_json(_path(workdir))
  except FileNotFoundError:
    return {}
  dataset, starts = found.get('dataset', {}), found.get('starts', [])
  if not isinstance(dataset, dict) or not isinstance(starts, list):
    raise UserError(f'{_path(workdir)}: damaged: dataset and starts are not as they were written')
  return found


def keep_circumstances(
  workdir: str, seed: int, dataset: dict[str, Any], step: int = 0, images: int = 0
) -> None:
  """Adds to `run.json` what made this start of the run.

  Args:
    workdir: of the run.
    seed: of the run.
    dataset: shape, classes and fingerprints of what it is trained on.
    step: that it goes on from.
    images: shown before.
  """
  run = read_circumstances(workdir)
  run['dataset'] = dataset
  start = {**circumstances(), 'seed': seed, 'step': step, 'images': images}
  run.setdefault('starts', []).append(start)
  write_json(_path(workdir), run)


def keep_features(workdir: str, description: dict[str, Any]) -> None:
  """Adds to `run.json` what the feature networks of its scores are."""
  write_json(_path(workdir), {**read_circumstances(workdir), 'features': description})


def keep_init(workdir: str, told: dict[str, Any]) -> None:
  """Writes `init.json`: which run this one started from, and what was taken of it."""
  write_json(os.path.join(workdir, 'init.json'), told)


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
    'packages': {name: metadata.version(name) for name in _PACKAGES},
    'platform': platform.platform(),
    'processors': os.cpu_count(),
    'devices': [str(device) for device in jax.devices()],
    'device_kind': jax.devices()[0].device_kind,
    'hosts': jax.process_count(),
  }


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
