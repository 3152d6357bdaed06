"""The folder of ablations: runs by the content of their configs, and the sweeps that ask for them.

sweeps/<sweep>.json       question, variants, and the run of each variant and seed
runs/<key>/               workdirs; a run that two sweeps ask for is one
configs/<key>/config.json what each run is started with
leases/<key>.<n>.json     who works on it
attempts/<key>.jsonl      how each attempt ended
steps.json                measured speed of steps, for estimates
"""

import hashlib
import json
import os
import pathlib
from typing import Any

from ml_collections import ConfigDict

from configs import default
from gan_jax import registry
from gan_jax.errors import UserError
from gan_jax.workdir import config_file, files, record

_KEY_LENGTH = 12  # hexadecimal digits: 1e-7 is the chance of a clash among 10,000 runs

# Where data are and how they are fetched: another machine's run is the same run.
_NOT_CONTENT = ('dataset.data_dir', 'dataset.prefetch_batches', 'dataset.memory_budget_mb')


def key_of(config: ConfigDict) -> str:
  """The key of a run: a digest of its config and of the user's own files that it names.

  Of what differs from `configs/default.py`, so that a key that comes with a later version, at a
  default that changes nothing, leaves the keys of runs as they are.
  """
  content = config_file.flat(record.as_json(config))
  base = config_file.flat(record.as_json(default.get_config()))
  given = {
    name: value
    for name, value in content.items()
    if name not in _NOT_CONTENT and (name not in base or value != base[name])
  }
  text = json.dumps([given, registry.own_files(content)], sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


class Root:
  """Names of what is in the folder."""

  def __init__(self, path: str):
    self.path = path

  def workdir(self, key: str) -> str:
    """Of a run."""
    return os.path.join(self.path, 'runs', key)

  def config(self, key: str) -> str:
    """Folder of the config that a run is started with."""
    return os.path.join(self.path, 'configs', key)

  @property
  def leases(self) -> str:
    """Folder of the leases of runs, by key."""
    return os.path.join(self.path, 'leases')

  def attempts(self, key: str) -> str:
    """File of the attempts at a run."""
    return os.path.join(self.path, 'attempts', f'{key}.jsonl')

  @property
  def steps(self) -> str:
    """File of the measured speeds."""
    return os.path.join(self.path, 'steps.json')

  def make(self) -> None:
    """Makes the folders.

    Raises:
      UserError: where they cannot be made.
    """
    for name in ('sweeps', 'runs', 'configs', 'leases', 'attempts'):
      try:
        os.makedirs(os.path.join(self.path, name), exist_ok=True)
      except OSError as error:
        raise UserError(f'--root={self.path}: cannot be written: {error.strerror}') from error

  def keep_config(self, key: str, config: ConfigDict) -> None:
    """Writes the config that a run is started with."""
    os.makedirs(self.config(key), exist_ok=True)
    config_file.keep_config(self.config(key), config)

  def keep_sweep(self, name: str, sweep: dict[str, Any]) -> None:
    """Writes what a sweep is, for whoever reads the folder without its file."""
    files.write_json(os.path.join(self.path, 'sweeps', f'{name}.json'), sweep)

  def sweeps(self) -> dict[str, dict[str, Any]]:
    """The sweeps of the folder, by name.

    Raises:
      UserError: where there is none, or one is damaged.
    """
    folder = pathlib.Path(self.path) / 'sweeps'
    found = {path.stem: files.read_json(str(path)) for path in sorted(folder.glob('*.json'))}
    if not found:
      raise UserError(
        f'--root={self.path}: holds no sweep; accepted: the folder that `launch.py ablate` was '
        'given, or --workdir for a single run'
      )
    return found
