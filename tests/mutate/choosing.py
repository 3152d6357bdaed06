"""Which tests can notice a change of a file: the nearest first."""

import ast
import functools
import pathlib

# What uses nearly everything: a step of each kind, a run, the laws of all configs.
CORE = (
  *('tests/training/test_step.py', 'tests/training/test_step_options.py'),
  *('tests/build', 'tests/test_train.py', 'tests/test_structure.py'),
)


def stages(root: pathlib.Path, path: str) -> list[list[str]]:
  """Test files in the order in which they are asked; none is there twice.

  First those that mirror the file, then those that import it and those of its room, then `CORE`.
  """
  module = pathlib.PurePath(path)
  inner = module.parts[1:-1]
  stem = inner[-1] if module.stem == '__init__' and inner else module.stem
  tests = root / 'tests'
  folder = tests.joinpath(*inner)
  mirrored = [*folder.glob(f'test_{stem}.py'), *sorted(folder.glob(f'test_{stem}_*.py'))]
  beside = sorted(folder.rglob('test_*.py')) if inner else []
  room = sorted((tests / inner[0]).rglob('test_*.py')) if inner else []
  name = '.'.join(module.with_suffix('').parts).removesuffix('.__init__')
  importing = [each for each in sorted(tests.rglob('test_*.py')) if name in _imported(each)]
  if inner == ('commands',):  # which tests call by their command lines
    mirrored += sorted(tests.rglob(f'test_{stem}*.py'))
    importing += [tests / 'test_launch.py', *_calling(tests, stem)]
  core = []
  for each in CORE:
    core += sorted((root / each).glob('test_*.py')) if (root / each).is_dir() else [root / each]
  found, seen = [], set()
  for stage in (mirrored, importing, [*beside, *room], core):
    new = [each for each in dict.fromkeys(stage) if each not in seen and each.exists()]
    seen |= set(new)
    if new:
      found.append([each.relative_to(root).as_posix() for each in new])
  return found


def _calling(tests: pathlib.Path, command: str) -> list[pathlib.Path]:
  """Files of tests that run a command by its name."""
  texts = {path: path.read_text() for path in sorted(tests.rglob('test_*.py'))}
  runs = lambda text: 'tests.command_line' in text or 'launch.py' in text
  return [path for path, text in texts.items() if f"'{command}'" in text and runs(text)]


@functools.cache
def _imported(path: pathlib.Path) -> frozenset[str]:
  """Modules that a file imports by name."""
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom) and node.module:
      names |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
    elif isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
  return frozenset(names)
