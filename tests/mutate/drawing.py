"""Draws changes over the files of a room, and tells those that change nothing."""

import ast
import difflib
import json
import pathlib
import random
from typing import NamedTuple

from tests.mutate import by_hand, operators

EQUIVALENT = pathlib.Path(__file__).with_name('equivalent.json')


class Mutation(NamedTuple):
  """A file with one change in it.

  Attributes:
    path: of the file, from the root.
    operator: what was changed, in words.
    before: the line or lines that were changed, without the blanks around them.
    after: what stands there.
    source: the whole file as it is then.
  """

  path: str
  operator: str
  before: str
  after: str
  source: str

  @property
  def key(self) -> tuple[str, str, str]:
    """What it is known by, wherever in its file it comes to stand."""
    return self.path, self.before, self.after

  def diff(self, root: pathlib.Path) -> str:
    """The change for people to read."""
    lines = (text.splitlines() for text in ((root / self.path).read_text(), self.source))
    return '\n'.join(list(difflib.unified_diff(*lines, n=1, lineterm=''))[2:])


def room_of(path: str) -> str:
  """The folder of the package that a file is in; `verbs` for the files at its top."""
  parts = pathlib.PurePath(path).parts
  return parts[1] if len(parts) > 2 else 'verbs'


def files(root: pathlib.Path) -> dict[str, list[str]]:
  """The sources of each room."""
  rooms: dict[str, list[str]] = {}
  for path in sorted((root / 'gan_jax').rglob('*.py')):
    name = path.relative_to(root).as_posix()
    rooms.setdefault(room_of(name), []).append(name)
  return rooms


def draw(root: pathlib.Path, room: str, count: int, seed: int) -> list[Mutation]:
  """Draws changes of a room: files by their lines, then any change of the file.

  Args:
    root: of the project.
    room: its name.
    count: changes; fewer where there are not so many.
    seed: of the draw.
  """
  rng = random.Random(f'{seed} {room}')
  drawn: dict[tuple[str, str, str], Mutation] = {}
  left = {}
  for path in files(root)[room]:
    source = (root / path).read_text()
    found = operators.changes(source)
    rng.shuffle(found)
    if found:
      left[path] = source, found
  while left and len(drawn) < count:
    lines = [source.count('\n') for source, _ in left.values()]
    (path,) = rng.choices(list(left), lines)
    source, found = left[path]
    made = mutation(path, source, found.pop())
    if made is not None:
      drawn.setdefault(made.key, made)
    if not found:
      del left[path]
  return list(drawn.values())


def mutation(path: str, source: str, change: operators.Change) -> Mutation | None:
  """The file with a change in it; None where that is no program, or the same one."""
  raw = source.encode()
  after = (raw[: change.start] + change.text.encode() + raw[change.end :]).decode()
  try:
    same = ast.dump(ast.parse(after)) == ast.dump(ast.parse(source))
  except SyntaxError:
    return None
  return None if same else _told(path, change.operator, source, after)


def written(root: pathlib.Path, room: str) -> list[Mutation]:
  """The changes of a room that were written by hand.

  Raises:
    ValueError: for one whose line is not there once.
  """
  found = []
  for path, before, after in by_hand.CHANGES:
    if room_of(path) != room:
      continue
    source = (root / path).read_text()
    if source.count(before) != 1:
      raise ValueError(f'{path}: {source.count(before)} times {before!r}; accepted: once')
    found.append(_told(path, 'by hand', source, source.replace(before, after)))
  return found


def _told(path: str, operator: str, source: str, after: str) -> Mutation:
  old, new = source.splitlines(), after.splitlines()
  blocks = [
    (old[a:b], new[c:d])
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    if tag != 'equal'
  ]
  told = (
    '\n'.join(line.strip() for lines in side for line in lines)
    for side in zip(*blocks, strict=True)
  )
  return Mutation(path, operator, *told, after)


def equivalent(path: pathlib.Path = EQUIVALENT) -> dict[tuple[str, str, str], str]:
  """Changes that change nothing which a test should see, each with the reason."""
  entries = json.loads(path.read_text())
  return {(each['path'], each['before'], each['after']): each['reason'] for each in entries}
