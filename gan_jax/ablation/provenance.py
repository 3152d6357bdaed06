"""What made the runs of a page: what all have in common, where they differ, their commands."""

import os
import shlex
from typing import Any

from gan_jax.ablation.results import Run
from gan_jax.errors import UserError
from gan_jax.text import number_of
from gan_jax.workdir import record

_SHOWN = ('jax', 'jaxlib', 'flax', 'optax', 'numpy')  # packages that are named where all is alike


def of(runs: list[Run]) -> tuple[str, list[str], list[list[str]]]:
  """What is the same in all runs, what is not, and a line for each run.

  Args:
    runs: of the page.

  Returns:
    A sentence; sentences that warn; for each run: name, state, when it began, seconds, command.
  """
  found = [_about(run.workdir) for run in runs]
  known = [about for about in found if about.get('starts')]
  if not known:
    return 'No run has begun.', [], []
  facts = [_facts(about) for about in known]
  same, differing = [], []
  for name in facts[0]:
    values = list(dict.fromkeys(fact[name] for fact in facts))
    if len(values) == 1:
      same.append(f'{name} {values[0]}')
    else:
      differing.append(
        f'{name}: {len(values)} different ones among the runs: {"; ".join(values[:4])}'
      )
  text = f'{number_of(len(known), "run")}, all of: {"; ".join(same)}.'
  changed = [
    f'{run.variant}, seed {run.seed}: changed under way: {"; ".join(start["changed"])}'
    for run, about in zip(runs, found, strict=True)
    for start in about.get('starts', [])
    if start.get('changed')
  ]
  changed += [
    f'{run.variant}, seed {run.seed}: went on with other code than it began with'
    for run, about in zip(runs, found, strict=True)
    if len({start.get('code') for start in about.get('starts', [])}) > 1
  ]
  rows = [_row(run, about) for run, about in zip(runs, found, strict=True)]
  return text, differing + changed, rows


def _about(workdir: str) -> dict[str, Any]:
  try:
    return record.read_circumstances(workdir)
  except UserError as error:
    return {'trouble': str(error)}


def _facts(about: dict[str, Any]) -> dict[str, str]:
  """What should be alike in runs that are compared."""
  start, dataset = about['starts'][-1], about.get('dataset', {})
  git = start.get('git') or {}
  packages = start.get('packages', {})
  dirty = ' with changes' if git.get('dirty') else ''
  prints = dataset.get('fingerprints', {})
  return {
    'code': f'{start.get("code", "unknown")} (git {str(git.get("revision"))[:10]}{dirty})',
    'Python': str(start.get('python')),
    'packages': ', '.join(f'{name} {packages.get(name)}' for name in _SHOWN),
    'device': f'{start.get("device_kind")} x {len(start.get("devices", []))}',
    'platform': f'{start.get("platform")}, {start.get("cores")} cores',
    'data': ', '.join(f'{name} {digest}' for name, digest in prints.items()),
  }


def _row(run: Run, about: dict[str, Any]) -> list[str]:
  starts = about.get('starts', [])
  ends = [line for line in run.lines if line['kind'] == 'end']
  command = shlex.join(
    [
      *('.venv/bin/python', 'launch.py', 'train'),
      f'--config=configs/recorded.py:{run.workdir}',
      f'--workdir={os.path.join("runs", run.key)}',
    ]
  )
  return [
    f'{run.variant}, seed {run.seed} ({run.key})',
    run.state,
    starts[0]['time'] if starts else '–',
    f'{ends[-1]["seconds"]:,.0f}' if ends and 'seconds' in ends[-1] else '–',
    command,
  ]
