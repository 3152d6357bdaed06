"""What commands say before anything else where they handle images of medicine."""

import glob
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from absl import flags

FLAGS = flags.FLAGS


def say_first() -> None:
  """Says what the images of the run or of the dataset that flags name are not for, if medical."""
  from gan_jax.data import limits
  from gan_jax.text import say

  if 'processes' in FLAGS and FLAGS['processes'].value:
    return  # those that are started say it
  said = (limits.first_line(known) for known in _known())
  if line := next(filter(None, said), ''):
    say(line)


def _known() -> list[Mapping[str, Any]]:
  """What is on record of all data that the flags name; nothing is opened or fetched for it."""
  given = lambda name: FLAGS[name].value if name in FLAGS else None
  runs = [os.path.join(each, 'run.json') for each in _paths(given('workdir'))]
  found = [_read(run).get('dataset') or {} for run in runs]
  found = [{'medical': each.get('dtype') == 'uint16', **each} for each in found]
  config, data_dir = given('config'), given('data_dir') or ''
  if config is not None and 'dataset' in config:
    found.append(_of_name(config.dataset.name, config.dataset.data_dir))
  if name := given('dataset'):
    found.append(_of_name(name, data_dir))
  return found


def _paths(given: str | Iterable[Any] | None) -> list[str]:
  """What a flag holds: nothing, a path, several, or several times several."""
  if isinstance(given, str):
    return [given]
  return [path for each in given or () for path in _paths(each)]


def _of_name(name: str, data_dir: str) -> Mapping[str, Any]:
  """By its module where it is one of ours, else by what `prepare` left."""
  import numpy as np

  from gan_jax import registry
  from gan_jax.data import by_name, limits
  from gan_jax.errors import UserError

  if name in registry.names('data.datasets'):
    module = registry.find('data.datasets', name, 'dataset.name')
    metadata = {'modality': getattr(module.Builder, 'MODALITY', '')}
    dtype = np.dtype(getattr(module.Builder, 'DTYPE', 'uint8')).name
    return limits.of_dataset(module.__doc__ or '', metadata, dtype)
  try:
    folder = by_name.data_folder(data_dir)
  except UserError:  # said by whoever needs it
    return {}
  files = sorted(glob.glob(os.path.join(glob.escape(folder), glob.escape(name), '*/metadata.json')))
  metadata = _read(files[-1]) if files else {}
  return limits.of_dataset('', metadata, 'uint16' if metadata.get('kind') == 'grey16' else '')


def _read(path: str) -> dict[str, Any]:
  """An object of JSON, or {} where there is none: a line more is not worth a failure."""
  try:
    with open(path, encoding='utf-8') as file:
      found = json.load(file)
  except (OSError, ValueError):
    return {}
  return found if isinstance(found, dict) else {}
