"""Changes one line at a time and sees whether the tests notice; not part of the tests.

    python -m tests.mutate --room=ops --count=40 --seed=0

Draws changes over the room's files in proportion to their lines, adds those of `by_hand.py`, and
tries each in a copy of the tree, with the tests that can notice it. What is noticed, what is not,
with its diff, and what `equivalent.json` says to change nothing, goes to a table and, one JSON a
line, to a file: a run that was cut off goes on there by the same command. Parts of a run may fill
one file side by side; without `--part` it is then told as a whole.
"""

import argparse
import json
import pathlib
import re
import sys
from typing import Any

from tests.mutate import drawing, trying

_ROOT = pathlib.Path(__file__).parent.parent.parent
_STATES = ('noticed', 'not noticed', 'equivalent')


def main(arguments: list[str], root: pathlib.Path = _ROOT) -> int:
  """Runs the command; returns 1 where a change was not noticed."""
  rooms = drawing.files(root)
  flags = _flags(sorted(rooms)).parse_args(arguments)
  chosen = sorted(rooms) if flags.room == 'all' else flags.room.split(',')
  for room in chosen:
    if room not in rooms:
      print(f'--room={room}: accepted: all, {", ".join(sorted(rooms))}', file=sys.stderr)
      return 2
  shares = _shares(root, {room: rooms[room] for room in chosen}, flags.count)
  mutations = []
  if not flags.drawn_only:
    mutations += [m for room in chosen for m in drawing.written(root, room)]
  mutations += [m for room in chosen for m in drawing.draw(root, room, shares[room], flags.seed)]
  results = _tried(root, mutations[flags.part], flags)
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
  part = 'such as 1/2 and 2/2: every other change, where several of these commands run at a time'
  parser.add_argument('--part', type=_every, default=slice(None), help=part)
  parser.add_argument('--slow', action='store_true', help='ask the tests marked slow, too')
  parser.add_argument('--list', action='store_true', help='show the changes and try none')
  parser.add_argument('--json', default='', help='file of results, a line each; also to go on')
  return parser


def _every(part: str) -> slice:
  """What 2/3 takes of a list: the second of three, and every third after it."""
  found = re.fullmatch(r'([1-9]\d*)/([1-9]\d*)', part)
  if found is None or int(found[1]) > int(found[2]):
    raise argparse.ArgumentTypeError(f'{part!r}: accepted: such as 1/2 and 2/2')
  return slice(int(found[1]) - 1, None, int(found[2]))


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
  reasons = drawing.equivalent()
  options = [] if flags.slow else ['-m', 'not slow']
  with trying.copied(root) as copy:
    for mutation in mutations:
      if mutation.key in known:
        continue
      result = {
        **{'room': drawing.room_of(mutation.path), 'path': mutation.path},
        **{'operator': mutation.operator, 'before': mutation.before, 'after': mutation.after},
      }
      if flags.list:
        print(f'{mutation.path}: {mutation.operator}\n{mutation.diff(root)}', flush=True)
        continue
      if mutation.key in reasons:
        result |= {'state': 'equivalent', 'by': reasons[mutation.key]}
      else:
        outcome = copy.attempt(mutation, flags.depth, options)
        result |= {'state': 'noticed' if outcome.noticed else 'not noticed', 'by': outcome.by}
      results.append(result)
      print(f'{result["state"]:12} {mutation.path}: {mutation.operator} {result["by"]}', flush=True)
      if result['state'] == 'not noticed':
        print(mutation.diff(root), flush=True)
      if kept is not None:
        with kept.open('a', encoding='utf-8') as file:
          file.write(json.dumps(result) + '\n')
  return results


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
