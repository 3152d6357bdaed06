"""What the tests cost: `--costs=40` prints the forty files that take the most processor time."""

import collections
import resource
import time
from typing import Any

import pytest

_BY_FILE: dict[str, Any] = collections.defaultdict(lambda: [0.0, 0.0, 0])


def pytest_addoption(parser):
  parser.addoption(
    '--costs', type=int, default=0, metavar='N', help='print the N files that cost the most'
  )


def _now():
  """Seconds of processor time, of this process and of those that it has waited for; of a clock."""
  used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
  return sum(each.ru_utime + each.ru_stime for each in used), time.monotonic()


_LAST = list(_now())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
  """Adds to a report what went by since the one before: its part of a test, fixtures included."""
  report = yield
  now = _now()
  report.cost = [now[0] - _LAST[0], now[1] - _LAST[1]]
  _LAST[:] = now
  return report


def pytest_runtest_logreport(report):
  found = _BY_FILE[report.nodeid.split('::')[0]]
  for place, seconds in enumerate(report.cost):
    found[place] += seconds
  found[2] += report.when == 'call'


def pytest_terminal_summary(terminalreporter, config):
  count = config.getoption('--costs')
  if not count:
    return
  rows = sorted(_BY_FILE.items(), key=lambda row: -row[1][0])
  total = [sum(row[place] for _, row in rows) for place in range(3)]
  terminalreporter.section(f'{count} files of the most processor time')
  terminalreporter.write_line('processor s    clock s  tests')
  for name, (used, passed, tests) in [*rows[:count], (f'all {len(rows)} files', total)]:
    terminalreporter.write_line(f'{used:11.1f} {passed:10.1f} {tests:6} {name}')
