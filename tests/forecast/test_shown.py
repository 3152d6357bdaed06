"""Sizes and times for the eye."""

import pytest

from gan_jax.forecast import shown
from tests.forecast.test_result import V5E, cost, forecast


@pytest.mark.parametrize(
  ('count', 'text'),
  [(5, '0.005 kB'), (12_300, '12.3 kB'), (45e6, '45 MB'), (1.234e12, '1,234.00 GB')],
)
def test_sizes(count, text):
  assert shown.size(count) == text


@pytest.mark.parametrize(
  ('seconds', 'text'),
  [
    (None, 'unknown'),
    (0.0024, '2.4 ms'),
    (1.2, '1.2 s'),
    (89, '89 s'),
    (90, '1.5 min'),
    (5400, '1.5 h'),
    (10 * 86_400, '10 days'),
  ],
)
def test_durations(seconds, text):
  assert shown.duration(seconds) == text


@pytest.mark.parametrize(('moved', 'text'), [(2e9, '2.00 GB'), (None, 'unknown')])
def test_a_page_says_what_a_step_moves_or_that_it_is_not_known(moved, text):
  found = forecast(V5E, 64, cost()._replace(bytes_accessed=moved))
  names, values = (list(column.cells) for column in shown.page(found).columns)
  assert values[names.index('bytes moved a step')] == f'{text}, each device'


@pytest.mark.parametrize(
  ('seconds', 'taken', 'text'),
  [
    (90.0, 2 * 10**9, '1.5 min, the first time, with 2.00 GB'),
    (90.0, None, '1.5 min, the first time'),
    (None, None, None),
  ],
)
def test_a_page_says_what_compiling_took_where_it_was_compiled(seconds, taken, text):
  made = forecast(V5E, 64, cost())._replace(compile_seconds=seconds, compiling_bytes=taken)
  names, values = (list(column.cells) for column in shown.page(made).columns)
  assert dict(zip(names, values, strict=True)).get('trace and compile') == text


def test_every_row_of_a_table_of_configs_has_a_cell_for_each_column():
  made = forecast(V5E, 64, cost(temporary=10**9)._replace(bytes_accessed=None)).as_json()
  refused = {'devices': 'gpu:h100:3', 'why': 'no multiple'}
  head, rule, *rows = shown.markdown([('a.py', made), ('b.py', refused)]).splitlines()
  names, *cells = ([cell.strip() for cell in row.split('|')[1:-1]] for row in (head, *rows))
  assert rule == '|' + '---|' * len(names)
  assert dict(zip(names, cells[0], strict=True)) == {
    **{'config': '`a.py`', 'devices': 'tpu:v5e:2x2', 'batch': '64', 'memory a device': '1.00 GB'},
    **{'of which activations': '1.00 GB', 'GFLOP a step': '0', 'moved a step': 'unknown'},
    **{'step, at least': '500 ms', 'run, at least': '8.33 min', 'fits': 'yes'},
  }
  assert cells[1] == ['`b.py`', 'gpu:h100:3', 'no multiple', *[''] * (len(names) - 3)]
