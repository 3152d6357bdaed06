"""The workdir: a run's config, its circumstances, its metrics, and who is writing."""

import contextlib
import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax.errors import UserError

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
_ABSENT = '(absent)'
_OF_SCORES = 'config.evaluate.'


class Record:
  """Writes `config.json`, `run.json`, `metrics.jsonl` and TensorBoard events of one run."""

  def __init__(self, workdir: str, step: int, images: int):
    """Opens the record of a run that goes on from `step`; what came later is undone and goes."""
    import tensorboardX

    self.workdir = workdir
    kept = [line for line in read_metrics(workdir) if line['step'] <= step]
    text = ''.join(json.dumps(line) + '\n' for line in kept)
    write_atomically(os.path.join(workdir, 'metrics.jsonl'), text)
    self._board = tensorboardX.SummaryWriter(
      os.path.join(workdir, 'tensorboard'), purge_step=images + 1 if images else None, flush_secs=10
    )

  def write(self, kind: str, step: int, images: int, values: dict[str, Any]) -> None:
    """Appends one line, and numbers as TensorBoard scalars `<kind>/<name>` over images shown."""
    append_line(self.workdir, kind, step, images, values)
    for name, value in values.items():
      if isinstance(value, int | float):
        self._board.add_scalar(f'{kind}/{name}', value, images)

  def image(self, name: str, images: int, picture: np.ndarray) -> None:
    """Shows `[H, W, C]` uint8 in TensorBoard."""
    self._board.add_image(name, picture, images, dataformats='HWC')
    self._board.flush()

  def close(self) -> None:
    """Flushes and closes the TensorBoard events."""
    self._board.close()


def append_line(workdir: str, kind: str, step: int, images: int, values: dict[str, Any]) -> None:
  """Appends one line to `metrics.jsonl`, whole even where others append at the same time."""
  line = {'kind': kind, 'step': step, 'images': images, 'time': round(time.time(), 3), **values}
  with open(os.path.join(workdir, 'metrics.jsonl'), 'a', encoding='utf-8') as file:
    file.write(json.dumps(line) + '\n')


def read_metrics(workdir: str, kind: str | None = None) -> list[dict[str, Any]]:
  """Reads the lines of `metrics.jsonl`, of one kind or all; a torn last line is left out."""
  try:
    with open(os.path.join(workdir, 'metrics.jsonl'), encoding='utf-8') as file:
      lines = file.read().split('\n')
  except FileNotFoundError:
    return []
  parsed = []
  for number, text in enumerate(lines):
    if not text:
      continue
    try:
      parsed.append(json.loads(text))
    except json.JSONDecodeError as error:
      if number < len(lines) - 1:
        raise UserError(f'{workdir}/metrics.jsonl: line {number + 1} is not JSON') from error
  return [line for line in parsed if kind is None or line['kind'] == kind]


@contextlib.contextmanager
def claim(workdir: str, config: ConfigDict, allow_config_changes: bool) -> Iterator[None]:
  """Holds the workdir for this process, after checking that it holds no other run.

  Raises:
    UserError: where another process trains in it, it cannot be written, or it holds a run of
      another config and `allow_config_changes` is False; nothing in it is touched then.
  """
  if not allow_config_changes:
    _check_same_config(workdir, config)
  try:
    os.makedirs(workdir, exist_ok=True)
    lock = open(os.path.join(workdir, '.lock'), 'a', encoding='utf-8')  # noqa: SIM115 - held below
  except OSError as error:
    raise UserError(f'--workdir={workdir}: cannot be written: {error.strerror}') from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise UserError(
        f'--workdir={workdir}: another process is training in it; wait for it or name another'
      ) from error
    yield


def _check_same_config(workdir: str, config: ConfigDict) -> None:
  path = os.path.join(workdir, 'config.json')
  if not os.path.exists(path):
    return
  with open(path, encoding='utf-8') as file:
    changed = list(_differences(json.load(file), as_json(config)))
  if changed:
    raise UserError(
      f'--workdir={workdir} holds a run of another config: {"; ".join(changed)}. Name another '
      'workdir, or continue that run with these values by --allow_config_changes'
    )


def keep_config(workdir: str, config: ConfigDict) -> None:
  """Writes `config.json`."""
  write_atomically(
    os.path.join(workdir, 'config.json'), json.dumps(as_json(config), indent=2) + '\n'
  )


def keep_features(workdir: str, description: dict[str, Any]) -> None:
  """Adds to `run.json` what the feature networks of its scores are."""
  run = read_circumstances(workdir)
  run['features'] = description
  write_atomically(os.path.join(workdir, 'run.json'), json.dumps(run, indent=2) + '\n')


def check_dataset(workdir: str, dataset: dict[str, Any], way_out: str) -> None:
  """Raises UserError where the run in the workdir saw other data than this.

  Args:
    workdir: of the run.
    dataset: as `build.describe` gives it.
    way_out: what the user can do, for the message.
  """
  old = read_circumstances(workdir).get('dataset', dataset)
  changed = list(_differences(old['fingerprints'], dataset['fingerprints'], 'fingerprint'))
  if changed:
    raise UserError(
      f'--workdir={workdir} holds a run on other data: {"; ".join(changed)}; {way_out}'
    )


def load_config(workdir: str) -> ConfigDict:
  """Reads back the config of a run, tuples as they were.

  Raises:
    UserError: where the folder holds no run.
  """
  try:
    with open(os.path.join(workdir, 'config.json'), encoding='utf-8') as file:
      return ConfigDict(_tuples(json.load(file)))
  except FileNotFoundError as error:
    raise UserError(f'--workdir={workdir}: holds no run (no config.json)') from error


def keep_circumstances(workdir: str, seed: int, dataset: dict[str, Any]) -> None:
  """Adds to `run.json` what made this start of the run.

  Args:
    workdir: of the run.
    seed: of the run.
    dataset: shape, classes and fingerprints of what it is trained on.
  """
  run = read_circumstances(workdir)
  run['dataset'] = dataset
  run.setdefault('starts', []).append({**circumstances(), 'seed': seed})
  write_atomically(os.path.join(workdir, 'run.json'), json.dumps(run, indent=2) + '\n')


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


def keep_init(workdir: str, told: dict[str, Any]) -> None:
  """Writes `init.json`: which run this one started from, and what was taken of it."""
  write_atomically(os.path.join(workdir, 'init.json'), json.dumps(told, indent=2) + '\n')


def read_circumstances(workdir: str) -> dict[str, Any]:
  """Reads `run.json`: `dataset`, and `starts`, one for every time the run was started."""
  path = os.path.join(workdir, 'run.json')
  if not os.path.exists(path):
    return {}
  with open(path, encoding='utf-8') as file:
    return json.load(file)


def as_json(config: ConfigDict) -> dict[str, Any]:
  """The config as JSON would give it back: tuples become lists."""
  return json.loads(json.dumps(config.to_dict()))


def write_atomically(path: str, text: str) -> None:
  """Replaces a file so that a reader sees the old text or the new one, never a part."""
  temporary = f'{path}.{os.getpid()}.tmp'
  with open(temporary, 'w', encoding='utf-8') as file:
    file.write(text)
  os.replace(temporary, path)


def _git() -> dict[str, Any]:
  """Revision and dirtiness of the code, where it is a git checkout."""
  run = lambda *args: subprocess.run(
    ['git', '-C', os.path.dirname(__file__), *args], capture_output=True, text=True, check=True
  ).stdout.strip()
  try:
    return {'revision': run('rev-parse', 'HEAD'), 'dirty': bool(run('status', '--porcelain'))}
  except (OSError, subprocess.CalledProcessError):
    return {'revision': None, 'dirty': None}


def _differences(old: Any, new: Any, key: str = 'config') -> Iterator[str]:
  if isinstance(old, dict) and isinstance(new, dict):
    for name in sorted({*old, *new}):
      yield from _differences(old.get(name, _ABSENT), new.get(name, _ABSENT), f'{key}.{name}')
  # A key that came with a later version changes nothing where it has no value, or is about scores.
  elif old != new and not (old is _ABSENT and (new is None or key.startswith(_OF_SCORES))):
    yield f'{key} was {old!r}, is {new!r}'


def _tuples(value: Any) -> Any:
  if isinstance(value, dict):
    return {name: _tuples(inner) for name, inner in value.items()}
  return tuple(value) if isinstance(value, list) else value
