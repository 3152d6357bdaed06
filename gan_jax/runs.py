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
    network: digest of the network of that score, where it was trained by its user; else ''.
    trouble: why it cannot be read; '' where it can.
  """

  workdir: str
  config: ConfigDict | None = None
  images: int = 0
  checkpoints: tuple[int, ...] = ()
  score: tuple[str, float] | None = None
  network: str = ''
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
      *_score(config, lines),
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


def not_comparable(runs: list[Run]) -> list[str]:
  """Scores that some of the runs have by other networks than others: these are no match."""
  networks: dict[str, set[str]] = {}
  for run in runs:
    if run.score:
      networks.setdefault(run.score[0], set()).add(run.network)
  return sorted(name for name, digests in networks.items() if len(digests) > 1)


def _score(config: ConfigDict, lines: list[dict[str, Any]]) -> tuple[tuple[str, float] | None, str]:
  """The newest score that orders checkpoints, and the digest of its network."""
  name = config.checkpoint.best_score
  scored = [line for line in lines if line['kind'] == 'scores' and name in line]
  if not scored:
    return None, ''
  digests = [v for k, v in scored[-1].items() if k.startswith('digest_') and name.endswith(k[7:])]
  return (name, scored[-1][name]), digests[0] if digests else ''
