"""Finds a dataset by its name: one of `gan_jax.data.datasets`, a file of the user's, or TFDS's."""

import contextlib
import fcntl
import functools
import io
import logging
import os
import pathlib
import socket
import urllib.parse
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from gan_jax import registry
from gan_jax.data.source import RANDOM_IMAGES, ImageDataset, RandomImages
from gan_jax.errors import UserError, nearest

_RANDOM_COUNT = 2048  # images in each of its splits, where the memory budget holds them
_ELSEWHERE = (
  'on a machine with internet and TensorFlow run: python -c "import tensorflow_datasets as tfds; '
  "tfds.builder('{name}').download_and_prepare(file_format='array_record')\" and set "
  'config.dataset.data_dir to its folder'
)


def data_folder(data_dir: str) -> str:
  """Where prepared data are; '': `$TFDS_DATA_DIR`, or else TFDS's default.

  Raises:
    UserError: where that is in a home folder, and there is none.
  """
  asked = data_dir or os.environ.get('TFDS_DATA_DIR') or os.path.join('~', 'tensorflow_datasets')
  found = os.path.expanduser(asked)
  if found.startswith('~/'):
    raise UserError(
      f'--data_dir={asked}: this user has no home folder; name another folder, or have one in HOME '
      'or TFDS_DATA_DIR'
    )
  return found


@functools.cache
def open_builder(name: str, data_dir: str) -> Any:
  """Finds a dataset by name and prepares it if it is not prepared yet.

  Args:
    name: a module of `gan_jax.data.datasets` or the path of one, or a name that TFDS knows.
    data_dir: where TFDS keeps prepared data; '': its default.

  Raises:
    UserError: for an unknown name, or one that cannot be prepared here.
  """
  directory = data_folder(data_dir)
  builder = _made(name, directory)
  if not builder.is_prepared():
    logging.getLogger(__name__).info('preparing dataset %s in %s', name, builder.data_dir)
    tfds.disable_progress_bar()
    try:
      _check_reachable(builder)
      with _alone(directory, builder.name):
        if not builder.is_prepared():  # by another process, meanwhile
          with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints its own account of it
            builder.download_and_prepare(file_format='array_record')
        else:
          builder = _made(name, directory)  # which knows of it
    except UserError as error:
      raise UserError(f'config.dataset.name={name!r}: {error}') from error
    except Exception as error:  # whatever a builder's own code and its downloads may raise
      text = ' '.join(f'{type(error).__name__}: {error}'.split())
      ours = name in registry.names('data.datasets') or name.endswith('.py')
      advice = '' if ours else f'; {_ELSEWHERE.format(name=name)}'
      raise UserError(
        f'config.dataset.name={name!r} is not prepared in {builder.data_dir} and cannot be here: '
        f'{text}{advice}'
      ) from error
  return builder


def _made(name: str, directory: str) -> Any:
  """The builder of a dataset, as what is prepared of it stands at the moment."""
  own = registry.names('data.datasets')
  if name in own or name.endswith('.py'):
    module = registry.find('data.datasets', name, 'dataset.name')
    try:
      builder = module.Builder(data_dir=directory)
    except Exception as error:  # whatever a builder's own code may raise
      text = ' '.join(f'{type(error).__name__}: {error}'.split())
      raise UserError(f'config.dataset.name={name!r}: cannot be made: {text}') from error
  else:
    try:
      builder = tfds.builder(name, data_dir=directory)
    except Exception as error:  # of unknown names, versions and catalogues, each its own
      accepted = nearest(name, {*own, *_prepared(directory)})
      raise UserError(
        f'config.dataset.name={name!r}: unknown here and to TFDS, and not in {directory}; '
        f'{accepted}, or a TFDS name; `launch.py prepare` makes one of your own images'
        f'{_of_a_catalogue(name, error)}'
      ) from error
  return builder


def _of_a_catalogue(name: str, error: Exception) -> str:
  """What TFDS says of a name with a catalogue in it, such as huggingface:mnist."""
  return f' ({type(error).__name__}: {error})' if ':' in name else ''


@contextlib.contextmanager
def _alone(directory: str, name: str) -> Iterator[None]:
  """Waits until no other process prepares the dataset: TFDS would let the slower one fail."""
  os.makedirs(directory, exist_ok=True)
  with open(os.path.join(directory, f'.{name}.lock'), 'wb') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def _prepared(folder: str) -> list[str]:
  """Names of the datasets that are prepared in a folder."""
  paths = pathlib.Path(folder).glob('*/*/dataset_info.json')
  return sorted({path.parent.parent.name for path in paths})


def _check_reachable(builder: Any) -> None:
  """Raises OSError where the dataset's hosts cannot be found: downloads would try for minutes."""
  for host in {urllib.parse.urlsplit(url).hostname for url in builder.url_infos or ()}:
    if host:
      socket.getaddrinfo(host, None)


def open_dataset(
  name: str, split: str, data_dir: str, size: tuple[int, int], memory_budget_mb: int
) -> ImageDataset:
  """Opens one split; see `open_builder`, `ImageDataset` and, for its name, `RandomImages`."""
  if name == RANDOM_IMAGES:
    count = min(_RANDOM_COUNT, memory_budget_mb * 2**20 // (size[0] * size[1] * 3))
    if count < 1:
      raise UserError(
        f'config.dataset.memory_budget_mb={memory_budget_mb}: holds no image of '
        f'{size[0]}x{size[1]} pixels, and {RANDOM_IMAGES} are held in memory'
      )
    return RandomImages(split, size, count)
  return ImageDataset(open_builder(name, data_dir), split, size, memory_budget_mb)


def shared_images(name: str, first: str, second: str, data_dir: str) -> int:
  """How many images of a dataset are in both of two splits, as TFDS's expressions name them."""
  if name == RANDOM_IMAGES:
    return _RANDOM_COUNT if first == second else 0
  splits = open_builder(name, data_dir).info.splits
  ranges = [
    [
      (each.filename, each.skip, each.skip + each.examples_in_shard)
      if each.take == -1
      else (each.filename, each.skip, each.skip + each.take)
      for each in splits[split].file_instructions
    ]
    for split in (first, second)
  ]
  return sum(
    max(0, min(end, other_end) - max(start, other_start))
    for file, start, end in ranges[0]
    for other_file, other_start, other_end in ranges[1]
    if file == other_file
  )
