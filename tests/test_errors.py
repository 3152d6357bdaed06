"""How a command ends, and what is accepted instead, in a line."""

import errno
import os
import pathlib
import re

import pytest

from gan_jax import errors
from gan_jax.errors import nearest, of_the_system

README = pathlib.Path(__file__).parent.parent / 'README.md'


def test_a_command_ends_with_the_codes_that_the_readme_promises():
  line = next(line for line in README.read_text().splitlines() if line.startswith('Exit codes:'))
  promised = {words: int(code) for code, words in re.findall(r'(\d+) (\w+(?: mistake)?)', line)}
  assert promised == {'done': 0, 'failed': 1, 'a mistake': 2, 'stopped': 75}
  codes = {stop.__name__: stop.exit_code for stop in errors.STOPS}
  assert codes == {
    'UserError': promised['a mistake'],
    'NonFiniteError': promised['failed'],
    'NotDoneError': promised['failed'],
    'Preempted': promised['stopped'],
  }


def raised(error, cause=None, context=None):
  """An error with others behind it."""
  error.__cause__, error.__context__ = cause, context
  return error


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
  'error',
  [
    FULL,
    raised(ValueError('of a library'), FULL),
    raised(ValueError('of a library'), context=FULL),
    raised(ValueError('a'), raised(KeyError('b'), context=raised(OSError('c'), FULL))),
  ],
)
def test_what_the_system_refused_is_found_behind_other_errors(error):
  assert of_the_system(error, ()) is FULL


@pytest.mark.parametrize('kind', [ValueError, OSError])
def test_words_of_the_system_count_where_they_are_looked_for(kind):
  error = raised(RuntimeError('x'), kind('file.cc:7: NO SPACE LEFT ON DEVICE; writing 9 bytes'))
  found = of_the_system(error, (errno.EDQUOT, errno.ENOSPC))
  assert (found.errno, found.strerror) == (errno.ENOSPC, os.strerror(errno.ENOSPC))
  for others in ((), (errno.EDQUOT,)):
    assert of_the_system(error, others) is None


def test_of_many_names_some_are_listed_and_the_others_counted():
  names = [f'name{number:03}' for number in range(300)]
  listed, _, rest = nearest('x', names).removeprefix('accepted: ').rpartition(' and ')
  shown = listed.split(', ')
  assert shown == names[: len(shown)]
  assert rest == f'{300 - len(shown)} more'
  assert nearest('x', names[:10]) == f'accepted: {", ".join(names[:10])}'
