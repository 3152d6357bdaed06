"""Changes one line at a time and sees whether the tests notice; not part of the tests.

    python -m tests.mutate --room=ops --count=40 --seed=0

Draws changes over the room's files in proportion to their lines, adds those of `by_hand.py`, and
tries each in a copy of the tree, with the tests that can notice it. What is noticed, what is not,
with its diff, and what `equivalent.json` says to change nothing, goes to a table and, one JSON a
line, to a file: a run that was cut off goes on there by the same command.
"""

import argparse
import contextlib
import json
import pathlib
import queue
import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

from tests.mutate import drawing, trying

_ROOT = pathlib.Path(__file__).parent.parent.parent
_STATES = ('noticed', 'not noticed', 'equivalent')


def main(arguments: list[str], root: pathlib.Path = _ROOT) -> int:
  """Runs the command; returns 1 where a change was not noticed."""
  rooms = drawing.files(root)
  flags = _flags(sorted(rooms)).parse_args(arguments)
  chosen = sorted(rooms) if flags.room == 'all' else flags.room.split(',')
  if flags.workers < 1:
    print(f'--workers={flags.workers}: accepted: numbers from 1', file=sys.stderr)
    return 2
  for room in chosen:
    if room not in rooms:
      print(f'--room={room}: accepted: all, {", ".join(sorted(rooms))}', file=sys.stderr)
      return 2
  shares = _shares(root, {room: rooms[room] for room in chosen}, flags.count)
  mutations = []
  if not flags.drawn_only:
    mutations += [m for room in chosen for m in drawing.written(root, room)]
  mutations += [m for room in chosen for m in drawing.draw(root, room, shares[room], flags.seed)]
  results = _tried(root, mutations, flags)
  print(table(results))
  return int(any(result['state'] == 'not noticed' for result in results))


def _flags(rooms: list[str]) -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(prog='python -m tests.mutate', description=__doc__)
  parser.formatter_class = argparse.RawDescriptionHelpFormatter
  parser.add_argument('--room', default='all', help=f'all, or with commas: {", ".join(rooms)}')
  parser.add_argument('--count', type=int, default=400, help='drawn changes, over all these rooms')
  parser.add_argument('--seed', type=int, default=0, help='of the draw')
  parser.add_argument('--drawn_only', action='store_true', help='leave out those by hand')
  depth = 'ask the tests of the same name (1), those that import it (2), of its room (3), all (4)'
  parser.add_argument('--depth', type=int, default=4, help=depth)
  workers = 'changes that are tried at a time, each in a copy of its own'
  parser.add_argument('--workers', type=int, default=1, help=workers)
  parser.add_argument('--slow', action='store_true', help='ask the tests marked slow, too')
  parser.add_argument('--list', action='store_true', help='show the changes and try none')
  parser.add_argument('--json', default='', help='file of results, a line each; also to go on')
  return parser


def _shares(root: pathlib.Path, rooms: dict[str, list[str]], count: int) -> dict[str, int]:
  """How many changes are drawn of each room: by its lines, of each at least one."""
  size = lambda paths: sum((root / path).read_text().count('\n') for path in paths)
  sizes = {room: size(paths) for room, paths in rooms.items()}
  total = sum(sizes.values())
  return {room: min(count, max(1, round(count * each / total))) for room, each in sizes.items()}


def _tried(
  root: pathlib.Path, mutations: list[drawing.Mutation], flags: argparse.Namespace
) -> list[dict[str, Any]]:
  """The results of all changes; those that a file holds already are not tried again."""
  kept = pathlib.Path(flags.json) if flags.json else None
  results = []
  if kept is not None and kept.exists():
    results = [json.loads(line) for line in kept.read_text().splitlines()]
  known = {(each['path'], each['before'], each['after']) for each in results}
  new = [mutation for mutation in mutations if mutation.key not in known]
  if flags.list:
    for mutation in new:
      print(f'{mutation.path}: {mutation.operator}\n{mutation.diff(root)}', flush=True)
    return results
  for mutation, found in _outcomes(root, new, flags):
    result = {
      **{'room': drawing.room_of(mutation.path), 'path': mutation.path},
      **{'operator': mutation.operator, 'before': mutation.before, 'after': mutation.after},
      **found,
    }
    results.append(result)
    print(f'{result["state"]:12} {mutation.path}: {mutation.operator} {result["by"]}', flush=True)
    if result['state'] == 'not noticed':
      print(mutation.diff(root), flush=True)
    if kept is not None:
      with kept.open('a', encoding='utf-8') as file:
        file.write(json.dumps(result) + '\n')
  return results


def _outcomes(
  root: pathlib.Path, mutations: list[drawing.Mutation], flags: argparse.Namespace
) -> Iterator[tuple[drawing.Mutation, dict[str, str]]]:
  """Yields each change as it is done, with `state` and `by`."""
  reasons = drawing.equivalent()
  options = [] if flags.slow else ['-m', 'not slow']
  free: queue.SimpleQueue[trying.Copy] = queue.SimpleQueue()

  def attempt(mutation: drawing.Mutation) -> dict[str, str]:
    if mutation.key in reasons:
      return {'state': 'equivalent', 'by': reasons[mutation.key]}
    copy = free.get()
    try:
      outcome = copy.attempt(mutation, flags.depth, options)
    finally:
      free.put(copy)
    return {'state': 'noticed' if outcome.noticed else 'not noticed', 'by': outcome.by}

  with contextlib.ExitStack() as stack:
    for _ in range(flags.workers):
      free.put(stack.enter_context(trying.copied(root)))
    pool = futures.ThreadPoolExecutor(flags.workers)
    stack.callback(pool.shutdown, cancel_futures=True)
    tried = {pool.submit(attempt, mutation): mutation for mutation in mutations}
    for future in futures.as_completed(tried):
      yield tried[future], future.result()


def table(results: list[dict[str, Any]]) -> str:
  """Results by room, as Markdown; the share is of those that change something."""
  lines = ['| room | noticed | not noticed | equivalent | share |', '|---|---|---|---|---|']
  rooms = sorted({each['room'] for each in results})
  for room in [*rooms, 'all']:
    states = [each['state'] for each in results if room in (each['room'], 'all')]
    counts = [states.count(state) for state in _STATES]
    wrong = counts[0] + counts[1]
    share = f'{counts[0] / wrong:.0%}' if wrong else ''
    lines.append(f'| {room} | {" | ".join(map(str, counts))} | {share} |')
  return '\n'.join(lines)


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
