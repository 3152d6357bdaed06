"""Text for a terminal, a shell, a table: what comes from outside does nothing there but be read."""

import os
import shlex
import sys

_PIPED_WIDTH = 120


def printable(text: str) -> str:
  """The text with its control and formatting characters spelt out; lines stay lines.

  A name out of a file may hold what moves a terminal's cursor, sets its title or turns the
  direction of writing.
  """
  return ''.join(
    c if c.isprintable() or c == '\n' else c.encode('unicode_escape').decode() for c in text
  )


def say(text: str) -> None:
  """Prints a line, printable, and at once: whoever reads a file of it waits for it."""
  print(printable(text), flush=True)


def columns() -> int | None:
  """Width of a table: None, the terminal's own, or one that holds paths where there is none."""
  return None if sys.stdout.isatty() else _PIPED_WIDTH


def command(*words: str) -> str:
  """A command of this interpreter that can be pasted into a shell: `python launch.py …`."""
  python = os.path.relpath(sys.executable)
  return shlex.join(['python' if python.startswith('..') else python, *words])


def cell(value: object) -> object:
  """A value of a table that spreadsheets open: text that they would take for a formula is not."""
  if isinstance(value, str) and value.startswith(('=', '+', '-', '@', '\t', '\r')):
    return "'" + value
  return value


def number_of(count: int, what: str) -> str:
  """A number of things: `1 run`, `2 runs`."""
  return f'{count:,} {what}' if count == 1 else f'{count:,} {what}s'
