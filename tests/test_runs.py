"""The list of runs."""

import shutil

import pytest

from gan_jax import runs
from gan_jax.errors import UserError
from tests.command_line import call


def test_runs_are_found_with_their_checkpoints_and_scores(finished, tmp_path):
  workdir, scores = finished
  shutil.copytree(workdir, tmp_path / 'a' / 'one')
  shutil.copytree(workdir, tmp_path / 'two')
  (tmp_path / 'two' / 'config.json').write_text('{')
  (tmp_path / 'empty').mkdir()
  good, bad = runs.find(str(tmp_path))
  assert good.workdir == str(tmp_path / 'a' / 'one')
  assert good.images == 192
  assert good.checkpoints[-2:] == (128, 192)
  assert good.score == ('fd_classifier', scores['fd_classifier'])
  assert bad.config is None
  assert 'config.json: damaged' in bad.trouble


def test_the_command_has_a_row_for_each_run_and_a_line_for_what_is_none(
  finished, tmp_path, monkeypatch
):
  shutil.copytree(finished[0], tmp_path / 'good')
  shutil.copytree(finished[0], tmp_path / 'bad')
  (tmp_path / 'bad' / 'config.json').write_text('{')
  monkeypatch.chdir(tmp_path)  # a short name is in one line
  said = call('runs', '--root=.')
  assert said.code == 0, said.err
  (row,) = [line for line in said.out.splitlines() if line.startswith('│')]
  cells = [cell.strip() for cell in row.strip('│').split('│')]
  assert cells[1:5] == ['dcgan', 'digits', '192', '192']
  assert cells[5].endswith('128, 192')
  assert cells[6] == f'fd_classifier {finished[1]["fd_classifier"]:.4g}'
  assert 'bad: ' in said.out
  assert 'config.json: damaged' in said.out


def test_a_run_without_checkpoints_or_scores_is_listed_too(finished, tmp_path):
  shutil.copytree(finished[0], tmp_path / 'run')
  shutil.rmtree(tmp_path / 'run' / 'checkpoints')
  (tmp_path / 'run' / 'metrics.jsonl').unlink()
  (found,) = runs.find(str(tmp_path))
  assert (found.images, found.checkpoints, found.score) == (0, (), None)


def test_runs_within_runs_and_runs_far_below_are_not_looked_for(tmp_path):
  for place in ('a/b/c/d/near', 'a/b/c/d/e/far', 'run', 'run/inner'):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / 'config.json').write_text('{')
  found = [run.workdir.removeprefix(f'{tmp_path}/') for run in runs.find(str(tmp_path))]
  assert found == ['a/b/c/d/near', 'run']


def test_a_folder_that_is_not_there_is_refused():
  with pytest.raises(UserError, match='--root=/nowhere: there is no such folder'):
    runs.find('/nowhere')


def test_scores_by_different_networks_are_told_apart(finished, tmp_path):
  for name in ('a', 'b'):
    shutil.copytree(finished[0], tmp_path / name)
  one, other = runs.find(str(tmp_path))
  assert one.network
  assert runs.not_comparable([one, other]) == []
  path = tmp_path / 'b' / 'metrics.jsonl'
  path.write_text(path.read_text().replace(one.network, 'of another machine'))
  assert runs.not_comparable(runs.find(str(tmp_path))) == ['fd_classifier']
