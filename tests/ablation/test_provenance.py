import json
import pathlib
import shutil

import pytest

from gan_jax.ablation import provenance, results
from gan_jax.workdir import record


@pytest.fixture
def two(finished, tmp_path):
  """Two copies of a run, as a page has them."""
  found = []
  for seed in (0, 1):
    workdir = str(tmp_path / str(seed))
    shutil.copytree(finished[0], workdir)
    sweep = {'score': 'fd_classifier', 'end': 'end'}
    lines = record.read_metrics(workdir)
    found.append(results.of_workdir(workdir, sweep, 'a', seed, 'abc', False, lines))
  return found


def edit(run, change):
  path = pathlib.Path(run.workdir, 'run.json')
  content = json.loads(path.read_text())
  content.pop('sha256')  # as whoever edits it by hand does
  change(content)
  path.write_text(json.dumps(content))


def test_what_all_runs_have_in_common_is_one_sentence(two):
  same, differing, rows = provenance.of(two)
  assert same.startswith('2 runs, all of: code ')
  assert 'cores' in same
  assert 'digits train' in same
  assert differing == []
  assert [row[0] for row in rows] == ['a, seed 0 (abc)', 'a, seed 1 (abc)']
  assert rows[0][-1].startswith('.venv/bin/python launch.py train --config=configs/recorded.py:')


def test_a_run_that_has_not_ended_has_no_seconds_and_one_that_has_its_whole_ones(two):
  begun, ended = two
  begun = begun._replace(lines=[line for line in begun.lines if line['kind'] != 'end'])
  ended = ended._replace(lines=[*begun.lines, {'kind': 'end', 'seconds': 1234.4}])
  _, _, rows = provenance.of([begun, ended])
  assert [row[3] for row in rows] == ['–', '1,234']


def test_where_runs_differ_is_told(two):
  edit(two[1], lambda run: run['starts'][-1].update(python='3.99.0'))
  _, (line,), _ = provenance.of(two)
  assert line.startswith('Python: 2 different ones among the runs: ')
  assert '3.99.0' in line


def test_a_run_that_was_changed_under_way_is_told(two):
  def change(run):
    run['starts'].append({**run['starts'][0], 'changed': ['config.r1.weight was 1, is 2']})

  edit(two[0], change)
  _, (line,), _ = provenance.of(two)
  assert line == 'a, seed 0: changed under way: config.r1.weight was 1, is 2'


def test_a_run_that_went_on_with_other_code_is_told(two):
  edit(two[1], lambda run: run['starts'].insert(0, {**run['starts'][0], 'code': 'of then'}))
  _, (line,), _ = provenance.of(two)
  assert line == 'a, seed 1: went on with other code than it began with'


def test_a_record_that_cannot_be_read_and_one_that_is_not_there_stop_nothing(two):
  pathlib.Path(two[0].workdir, 'run.json').write_text('{')
  pathlib.Path(two[1].workdir, 'run.json').unlink()
  assert provenance.of(two)[0] == 'No run has begun.'
