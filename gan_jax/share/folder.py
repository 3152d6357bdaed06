"""The folder that `export` writes: its files, and what opening one takes from it.

A folder may come from anybody. It holds JSON and arrays, nothing that is run; what its JSON says is
checked against bounds before anything is made of it, and arrays are read once their header agrees
with the network.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.errors import UserError
from gan_jax.workdir import config_file, files

CONFIG, GENERATOR, DISCRIMINATOR = (
  'config.json',
  'generator.safetensors',
  'discriminator.safetensors',
)
PROGRAM, CARD, SAMPLES = 'generator.stablehlo', 'README.md', 'samples.png'
ONNX, PAGE = 'generator.onnx', 'page.html'  # where they are asked for

_FORMAT = 'gan_jax export'
_VERSION = 1
_MOST_BYTES = 2**21  # of config.json
_MOST_SIDE, _MOST_CLASSES, _MOST_LATENT = 2**13, 2**17, 2**16
_MOST_NUMBER = 2**31  # of a setting
_DTYPES = ('uint8', 'uint16')


class Shared(NamedTuple):
  """What a folder says of its model, checked; its arrays are read by `weights.read_as`.

  Attributes:
    folder: the path.
    config: of the run.
    shape: height, width and channels of the images.
    dtype: of the images, uint8 or uint16.
    num_classes: of the data.
    class_names: in the order of the labels, or empty.
    step: of the checkpoint.
    images: real images shown before it.
    fingerprints: of the data, by the names of their parts.
  """

  folder: str
  config: ConfigDict
  shape: tuple[int, int, int]
  dtype: str
  num_classes: int
  class_names: tuple[str, ...]
  step: int
  images: int
  fingerprints: dict[str, str]

  def path(self, name: str) -> str:
    """Of one of its files."""
    return os.path.join(self.folder, name)


@contextlib.contextmanager
def new(out: str) -> Iterator[pathlib.Path]:
  """Yields a folder to write into, which gets its name when all is in it.

  Raises:
    UserError: where the place has something in it or cannot be written.
  """
  check(out)
  place = os.path.abspath(out)
  temporary = pathlib.Path(f'{place}.{os.getpid()}.tmp')
  try:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    files.remove_left_over(os.path.dirname(place))
    temporary.mkdir()
    yield temporary
    os.replace(temporary, place)
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def check(out: str) -> None:
  """Raises UserError for a place that has something in it."""
  if os.path.lexists(out) and not (os.path.isdir(out) and not os.listdir(out)):
    raise UserError(f'--out={out}: there is something already; accepted: a folder that is new')


def write_config(
  folder: pathlib.Path, config: ConfigDict, dataset: dict[str, Any], step: int, images: int
) -> None:
  """Writes `config.json`, with digests of the arrays that are there already.

  Paths of the machine that it comes from are cut to their last part.
  """
  digests = {
    name: _digest(folder / name) for name in (GENERATOR, DISCRIMINATOR) if (folder / name).exists()
  }
  kept = ('name', 'full_name', 'shape', 'dtype', 'num_classes', 'class_names', 'fingerprints')
  content = {
    **{'format': _FORMAT, 'version': _VERSION, 'step': step, 'images': images},
    'dataset': _without_paths({name: dataset[name] for name in kept if name in dataset}),
    'config': _without_paths(config_file.as_json(config)),
    'files': digests,
  }
  files.write_sealed(str(folder / CONFIG), content)


def read(folder: str) -> Shared | None:
  """What a folder that `export` wrote says of its model; None for a path that is none.

  Raises:
    UserError: where it is damaged, of another version, or says what no model is; names it.
  """
  path = os.path.join(folder, CONFIG)
  try:
    if os.path.getsize(path) > _MOST_BYTES:
      return None
    found = files.read_json(path)
  except (OSError, UserError):
    return None  # no config, or a damaged one: who reads runs says what is wrong with it
  if found.get('format') != _FORMAT:
    return None
  if found.get('version') != _VERSION:
    raise UserError(f'{path}: version {found.get("version")!r}; accepted: {_VERSION}')
  try:
    dataset, config = _of(dict, found, 'dataset'), _of(dict, found, 'config')
    shape, names = _of(list, dataset, 'shape'), _of(list, dataset, 'class_names')
    made = Shared(
      folder,
      config_file.from_json(config),
      (*_sizes(shape),),
      dataset.get('dtype', 'uint8'),
      _of(int, dataset, 'num_classes'),
      tuple(map(str, names)),
      _of(int, found, 'step'),
      _of(int, found, 'images'),
      {str(name): str(value) for name, value in dataset.get('fingerprints', {}).items()},
    )
    if made.dtype not in _DTYPES or not 0 <= made.num_classes <= _MOST_CLASSES:
      raise ValueError(f'dtype {made.dtype!r:.40}, {made.num_classes} classes')
    if names and len(names) != made.num_classes:
      raise ValueError(f'{len(names)} names of {made.num_classes} classes')
    _check_config(made.config, made.shape)
  except UserError as error:
    raise UserError(f'{path}: {error}') from error
  except (ValueError, TypeError, KeyError, AttributeError) as error:
    raise UserError(f'{path}: says what no export does: {" ".join(str(error).split())}') from error
  _check_digests(folder, found.get('files'))
  return made


def _check_config(config: ConfigDict, shape: tuple[int, int, int]) -> None:
  """Refuses a config of which no network of ours can be made within bounds."""
  model = config.model
  for key in ('name', 'discriminator'):
    name = model.get(key, '')
    accepted = registry.names('models')
    if name not in accepted and not (key == 'discriminator' and name == ''):
      raise UserError(
        f'config.model.{key}={name!r:.80}: no code is run that a folder names; accepted: '
        + ', '.join(accepted)
      )
  if not 1 <= model.latent_size <= _MOST_LATENT or not isinstance(model.conditional, bool):
    raise ValueError(f'config.model.latent_size={model.latent_size!r:.40}')
  side, width = config.dataset.resolution, config.dataset.get('width')
  if (side, side if width is None else width) != shape[:2]:
    raise ValueError(f'config.dataset.resolution={side!r:.40} for images {list(shape)}')
  for name in {model.name, model.get('discriminator', '')} & set(config):
    for key, value in config[name].items():
      _check_setting(f'config.{name}.{key}', value)


def _check_setting(key: str, value: Any) -> None:
  """Refuses a setting that is no number, word, switch, or short list of them."""
  plain = isinstance(value, bool | int | float | str) or value is None
  short = isinstance(value, tuple) and len(value) <= 64
  if short:
    for each in value:
      _check_setting(key, each)
  elif not plain or (isinstance(value, int | float) and not abs(value) <= _MOST_NUMBER):
    raise ValueError(f'{key}={value!r:.40}')


def _sizes(shape: list[Any]) -> tuple[int, int, int]:
  if len(shape) != 3 or not all(isinstance(n, int) for n in shape):
    raise ValueError(f'shape {shape!r:.60}')
  height, width, channels = shape
  if not (0 < height <= _MOST_SIDE and 0 < width <= _MOST_SIDE) or channels not in (1, 3, 4):
    raise ValueError(f'shape {shape!r:.60}')
  return height, width, channels


def _of(kind: Any, tree: dict[str, Any], key: str) -> Any:
  if not isinstance(tree.get(key), kind) or isinstance(tree[key], bool):
    raise ValueError(f'{key} {tree.get(key)!r:.40}')
  return tree[key]


def _check_digests(folder: str, digests: Any) -> None:
  for name in (GENERATOR, DISCRIMINATOR):
    wanted, path = (digests or {}).get(name), pathlib.Path(folder, name)
    if wanted is not None and path.exists() and _digest(path) != wanted:
      raise UserError(f'{path}: damaged: not what was exported; bring it back from a copy')


def _digest(path: pathlib.Path) -> str:
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _without_paths(tree: Any) -> Any:
  """JSON in which texts that are paths of files are their last part."""
  if isinstance(tree, dict):
    return {key: _without_paths(value) for key, value in tree.items()}
  if isinstance(tree, list):
    return [_without_paths(value) for value in tree]
  absolute = isinstance(tree, str) and (os.path.isabs(tree) or tree.startswith(('~', '.')))
  return os.path.basename(tree.rstrip('/')) if absolute else tree
