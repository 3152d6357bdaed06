"""Tries changes in a copy of the tree."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.mutate import choosing
from tests.mutate.drawing import Mutation

_TEST_SECONDS = 180  # of one test; a change that makes one endless is noticed
_STAGE_SECONDS = 1500
_FAILED = re.compile(r'^(?:FAILED|ERROR) (.+?)(?: - .*)?$', re.MULTILINE)


class Outcome(NamedTuple):
  """Whether a change was noticed, and by what: a test, or `stopped` where they did not end."""

  noticed: bool
  by: str = ''


@contextlib.contextmanager
def copied(root: pathlib.Path) -> Iterator['Copy']:
  """A copy of the tree as it stands, in which changes are tried; gone afterwards."""
  with tempfile.TemporaryDirectory(prefix='gan_jax-mutate-') as folder:
    copy = pathlib.Path(folder) / 'tree'
    listed = ['git', '-C', str(root), 'ls-files', '-z', '-co', '--exclude-standard']
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split('\0')
    for name in filter(None, names):
      if (root / name).is_file():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, copy / name)
    for command in (['init', '-q'], ['add', '-A']):  # tests list the files by it
      subprocess.run(['git', '-C', str(copy), *command], check=True)
    if (root / '.venv').exists():
      (copy / '.venv').symlink_to((root / '.venv').resolve())
    yield Copy(copy)


class Copy:
  """A copy of the tree.

  Tests that fail in it without any change are left out, each found out where it first seems to
  notice something.
  """

  def __init__(self, root: pathlib.Path):
    self._root = root
    self._sound: set[str] = set()
    self._unsound: list[str] = []

  def attempt(self, mutation: Mutation, depth: int, options: Sequence[str] = ()) -> Outcome:
    """Runs the tests that can notice a change until one does.

    Args:
      mutation: the change.
      depth: how many of `choosing.stages` are asked.
      options: further ones of pytest.
    """
    for stage in choosing.stages(self._root, mutation.path)[:depth]:
      while True:
        with self._changed(mutation):
          outcome = self._run(stage, options)
        if not outcome.noticed or outcome.by in self._sound or '::' not in outcome.by:
          break
        if not self._run([outcome.by], options).noticed:
          self._sound.add(outcome.by)
          break
        self._unsound.append(outcome.by)
      if outcome.noticed:
        return outcome
    return Outcome(False)

  @contextlib.contextmanager
  def _changed(self, mutation: Mutation) -> Iterator[None]:
    path = self._root / mutation.path
    before = path.read_text()
    path.write_text(mutation.source)
    try:
      yield
    finally:
      path.write_text(before)

  def _run(self, tests: Sequence[str], options: Sequence[str]) -> Outcome:
    command = [sys.executable, '-m', 'pytest', '-q', '-x', '-n', '0', '-rfE', '--tb=no']
    command += ['-p', 'no:cacheprovider', '-o', f'faulthandler_timeout={_TEST_SECONDS}']
    command += ['-o', 'faulthandler_exit_on_timeout=true', *options, *tests]
    command += [f'--deselect={name}' for name in self._unsound]
    with tempfile.TemporaryFile('w+') as output:
      process = subprocess.Popen(
        command,
        cwd=self._root,
        env=_environment(),
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
      )
      try:
        code = process.wait(_STAGE_SECONDS)
      except subprocess.TimeoutExpired:
        code = -1
      finally:
        with contextlib.suppress(ProcessLookupError):  # and whatever its tests have started
          os.killpg(process.pid, signal.SIGKILL)
        process.wait()
      output.seek(0)
      told = output.read()
    if code in (0, 5):  # passed, or nothing to run
      return Outcome(False)
    if code == 4:
      raise RuntimeError(f'pytest refuses its command line:\n{told}')
    failed = _FAILED.search(told)
    return Outcome(True, failed.group(1) if failed else 'stopped')


def _environment() -> dict[str, str]:
  """Of the tests; programs of changed code are kept apart from the user's own."""
  folder = pathlib.Path(tempfile.gettempdir()) / f'gan_jax-mutate-{os.geteuid()}'
  folder.mkdir(mode=0o700, exist_ok=True)
  without = {'PYTEST_ADDOPTS', 'PYTEST_CURRENT_TEST', 'PYTEST_XDIST_WORKER'}
  kept = {name: value for name, value in os.environ.items() if name not in without}
  return {**kept, 'JAX_COMPILATION_CACHE_DIR': str(folder), 'PYTHONDONTWRITEBYTECODE': '1'}
