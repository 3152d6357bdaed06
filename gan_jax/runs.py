"""The runs below a folder: how far each is, its checkpoints and its newest scores."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.workdir import checkpoint, record

_DEEPEST = 4  # folders below the one that is searched


class Run(NamedTuple):
  """What is known of a run without opening its networks.

  Attributes:
    workdir: of the run.
    config: of the run; None where it cannot be read.
    images: shown, by the newest line of its log.
    checkpoints: images shown before each, oldest first.
    score: name and newest value of the score that orders its checkpoints; None where there is none.
    trouble: why it cannot be read; '' where it can.
  """

  workdir: str
  config: ConfigDict | None = None
  images: int = 0
  checkpoints: tuple[int, ...] = ()
  score: tuple[str, float] | None = None
  trouble: str = ''


def find(root: str) -> list[Run]:
  """The runs in a folder and below it, by name.

  Raises:
    UserError: where there is no such folder.
  """
  if not os.path.isdir(root):
    raise UserError(f'--root={root}: there is no such folder')
  return [read(workdir) for workdir in sorted(_workdirs(root))]


def read(workdir: str) -> Run:
  """Reads a run; what is wrong with it is said in the result."""
  try:
    config = record.load_config(workdir)
    lines = record.read_metrics(workdir)
    return Run(
      workdir,
      config,
      max((line['images'] for line in lines), default=0),
      _checkpoints(workdir, config),
      _score(config, lines),
    )
  except (UserError, AttributeError, KeyError) as error:  # of a config of another version, too
    return Run(workdir, trouble=str(error))


def _workdirs(root: str) -> Iterator[str]:
  for folder, folders, files in os.walk(root):
    if 'config.json' in files:
      folders.clear()
      yield folder
    elif os.path.relpath(folder, root).count(os.sep) >= _DEEPEST:
      folders.clear()


def _checkpoints(workdir: str, config: ConfigDict) -> tuple[int, ...]:
  try:
    found = checkpoint.Checkpointer(workdir, read_only=True)
  except UserError:
    return ()
  per_step = build.images_per_step(config)
  return tuple(found.about(step).get('images', step * per_step) for step in found.steps())


def _score(config: ConfigDict, lines: list[dict[str, Any]]) -> tuple[str, float] | None:
  name = config.checkpoint.best_score
  values = [line[name] for line in lines if line['kind'] == 'scores' and name in line]
  return (name, values[-1]) if values else None
