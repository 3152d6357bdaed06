"""`config.json`: the config of a run, and whether another one may go on with it."""

import json
import os
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from gan_jax.errors import UserError
from gan_jax.workdir.files import read_json, write_sealed

# Keys that came later, with the value by which a run of before goes on as it was.
_LATER = {
  **{f'config.{name}.grown_stages': 0 for name in ('dcgan', 'stylegan2')},
  **{f'config.{name}.one_in': 1 for name in ('r1', 'r2')},
}
_ABSENT = '(absent)'
_OF_SCORES = 'config.evaluate.'

# What changes no step of a run and no score: how long it is, how often it shows and keeps itself.
_FREE = (
  *(f'config.train.{name}_images' for name in ('log', 'sample', 'checkpoint')),
  *(f'config.train.{name}' for name in ('images', 'seconds', 'diagnose', 'rollbacks')),
  *('config.evaluate.images', 'config.evaluate.halves'),
  *('config.checkpoint.', 'config.sample.'),
  # Where the data are and how they are fetched; what they are is held to by their fingerprints.
  *('config.dataset.data_dir', 'config.dataset.prefetch_batches'),
)


def keep_config(workdir: str, config: ConfigDict) -> None:
  """Writes `config.json`."""
  write_sealed(_path(workdir), as_json(config))


def load_config(workdir: str) -> ConfigDict:
  """Reads back the config of a run, tuples as they were.

  Raises:
    UserError: where the folder holds no run.
  """
  try:
    return from_json(read_json(_path(workdir)))
  except FileNotFoundError as error:
    raise UserError(f'--workdir={workdir}: holds no run (no config.json)') from error


def check_same_config(workdir: str, config: ConfigDict) -> None:
  """Raises UserError where the workdir holds a run that began with other values.

  Lengths and intervals may change: they decide no step of it.
  """
  try:
    old = read_json(_path(workdir))
  except FileNotFoundError:
    return
  changed = [text for key, text in differences(old, as_json(config)) if not key.startswith(_FREE)]
  if changed:
    raise UserError(
      f'--workdir={workdir} holds a run of another config: {"; ".join(changed)}. Name another '
      'workdir, or continue that run with these values by --allow_config_changes'
    )


def differences(old: Any, new: Any, key: str = 'config') -> Iterator[tuple[str, str]]:
  """What differs between two trees of JSON: key, and text for the user."""
  if isinstance(old, dict) and isinstance(new, dict):
    for name in sorted({*old, *new}):
      yield from differences(old.get(name, _ABSENT), new.get(name, _ABSENT), f'{key}.{name}')
  # A key that came with a later version changes nothing where it has no value, or is about scores.
  elif old != new and not (
    old is _ABSENT and (new is None or key.startswith(_OF_SCORES) or _LATER.get(key) == new)
  ):
    yield key, f'{key} was {old!r}, is {new!r}'


def as_json(config: ConfigDict) -> dict[str, Any]:
  """The config as JSON would give it back: tuples become lists."""
  return json.loads(json.dumps(config.to_dict()))


def from_json(tree: dict[str, Any]) -> ConfigDict:
  """The config that `as_json` was given, tuples as they were."""
  return ConfigDict(_tuples(tree))


def flat(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  """A tree of JSON by whole keys, `train.images`."""
  found: dict[str, Any] = {}
  for name, value in tree.items():
    inner = isinstance(value, dict)
    found |= flat(value, f'{prefix}{name}.') if inner else {f'{prefix}{name}': value}
  return found


def _path(workdir: str) -> str:
  return os.path.join(workdir, 'config.json')


def _tuples(value: Any) -> Any:
  if isinstance(value, dict):
    return {name: _tuples(inner) for name, inner in value.items()}
  return tuple(value) if isinstance(value, list) else value
