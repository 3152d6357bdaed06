"""What stops a run, as one line for the user, and the exit code that says which it was."""

import difflib
import os
from collections.abc import Collection, Iterable

from gan_jax.text import printable

_MOST = 40  # names in a message


class UserError(ValueError):
  """Something the user gave cannot be used: says the key, what was found, what is accepted."""

  exit_code = 2

  def __init__(self, message: str):
    """Takes the line; what it quotes from a file cannot do anything to a terminal."""
    super().__init__(printable(message))


class NonFiniteError(RuntimeError):
  """A loss or gradient became infinite or not a number: says where, and what is still good."""

  exit_code = 1

  def __init__(self, message: str, step: int | None = None):
    """Takes the line, and the step where that is known and not the newest."""
    super().__init__(message)
    self.step = step


class NotDoneError(RuntimeError):
  """What was asked for was tried and came out short: says what."""

  exit_code = 1


class Preempted(BaseException):
  """The process was asked to stop; what there is to save is saved, and the same command goes on.

  As KeyboardInterrupt, it is nothing that code which can live with failures should catch.
  """

  exit_code = 75  # EX_TEMPFAIL: schedulers retry it


STOPS = (UserError, NonFiniteError, NotDoneError, Preempted)
"""What ends a command with a line and a code of its own."""


def of_the_system(error: BaseException, in_words: Collection[int]) -> OSError | None:
  """What the disk or the system refused, out of an error or those behind it; None for others.

  Args:
    error: that was raised.
    in_words: numbers of refusals that count where libraries of C++ say them in words alone.
  """
  seen: BaseException | None = error
  while seen is not None:
    if isinstance(seen, OSError) and seen.errno is not None:
      return seen
    for number in in_words:
      if os.strerror(number).lower() in str(seen).lower():
        return OSError(number, os.strerror(number))
    seen = seen.__cause__ or seen.__context__
  return None


def nearest(found: str, accepted: Iterable[str]) -> str:
  """Says what is accepted instead of `found`, the nearest name first where one is near."""
  accepted = sorted(accepted)
  near = difflib.get_close_matches(found, accepted, n=1)
  hint = f'did you mean {near[0]!r}? ' if near else ''
  more = f' and {len(accepted) - _MOST} more' if len(accepted) > _MOST else ''
  return f'{hint}accepted: {", ".join(accepted[:_MOST])}{more}'
