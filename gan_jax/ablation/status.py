"""How far the runs of a sweep are, by what their folders hold."""

import enum
import json
import os
import socket
import time
from typing import Any

from gan_jax.ablation.plan import PlannedRun
from gan_jax.ablation.root import Root
from gan_jax.errors import UserError
from gan_jax.workdir import record


class State(enum.Enum):
  """Where a run is."""

  NEW = 'new'
  STARTED = 'started'  # and stopped before its end; it goes on from its newest checkpoint
  FINISHED = 'finished'
  DIVERGED = 'diverged'  # a loss, gradient or weight was not finite: a result like any other
  FAILED = 'failed'  # so often as is accepted


def state(root: Root, run: PlannedRun, retries: int = 0) -> State:
  """Where a run is; one that failed and may be tried again counts as started or new.

  Args:
    root: folder of the ablation.
    run: of a plan.
    retries: attempts after the first one that may fail.
  """
  workdir = root.workdir(run.key)
  try:
    found = _of_lines(record.read_metrics(workdir), run)
  except UserError:  # a record that cannot be read fails when the run is started, with its message
    found = None
  if found is not None:
    return found
  if len(failures(root, run.key)) > retries:
    return State.FAILED
  return State.STARTED if os.path.isdir(workdir) else State.NEW


def _of_lines(lines: list[dict[str, Any]], run: PlannedRun) -> State | None:
  """What a record says of a run that has come to an end."""
  train = run.config.train
  whole = 1 if train.get('seconds') else train.images
  if any(line['kind'] == 'end' and line['images'] >= whole for line in lines):
    return State.FINISHED
  return State.DIVERGED if any(line['kind'] == 'non_finite' for line in lines) else None


def shown_images(root: Root, key: str) -> int:
  """Images that a run has been shown, by its newest line."""
  try:
    lines = record.read_metrics(root.workdir(key))
  except UserError:
    return 0
  return max((line['images'] for line in lines), default=0)


def add_attempt(root: Root, key: str, code: int, reason: str) -> None:
  """Records how an attempt ended.

  Args:
    root: folder of the ablation.
    key: of the run.
    code: exit code; negative: the signal that killed it.
    reason: what it said last.
  """
  line = {
    'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    'machine': socket.gethostname(),
    'code': code,
    'reason': reason,
  }
  with open(root.attempts(key), 'a', encoding='utf-8') as file:
    file.write(json.dumps(line) + '\n')


def failures(root: Root, key: str) -> list[dict[str, Any]]:
  """The attempts at a run that failed."""
  try:
    with open(root.attempts(key), encoding='utf-8') as file:
      lines = [json.loads(line) for line in file if line.endswith('\n')]
  except FileNotFoundError:
    return []
  return [line for line in lines if line['code'] not in (0, 75)]
