"""Command lines in the process of the tests, as many as there are: no interpreter is started."""

import contextlib
import io
import sys
import threading
from typing import NamedTuple

from absl import flags

import launch


class Said(NamedTuple):
  """How a command ended, and what it printed."""

  code: int
  out: str
  err: str


def call(*arguments: str) -> Said:
  """Runs `launch.py` with arguments; leaves flags and hooks as it has found them."""
  known, argv, before = set(flags.FLAGS), ['launch.py', *arguments], sys.argv
  hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
  out, err = io.StringIO(), io.StringIO()
  sys.argv = argv  # ml_collections reads it, and would load a config over the one before
  sys.modules.pop('config_config', None)
  try:
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = launch.main(argv)
  except SystemExit as stopped:
    code = stopped.code
  finally:
    sys.argv = before
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    for name in set(flags.FLAGS) - known:
      delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
  return Said(code, out.getvalue(), err.getvalue())


def one_line(stderr: str) -> str:
  """The single line of a refusal."""
  assert 'Traceback' not in stderr
  (line,) = stderr.strip().splitlines()
  return line
