"""Text from outside does nothing to a terminal, a shell or a spreadsheet."""

import csv
import io
import shlex

import pytest

from gan_jax import progress, text
from gan_jax.errors import UserError
from gan_jax.evaluation import report, scores
from gan_jax.evaluation.result import Evaluation, Gallery
from gan_jax.metrics.estimate import Estimate

ESCAPE, BELL, TURN = '\x1b', '\x07', '\u202e'
EVIL = f'{ESCAPE}]0;owned{BELL} {ESCAPE}[2J {TURN}gnp.exe'


def harmless(shown):
  return not any(c in shown for c in (ESCAPE, BELL, TURN))


def test_controls_and_turns_of_direction_are_spelt_out_and_letters_are_not():
  assert text.printable(EVIL) == r'\x1b]0;owned\x07 \x1b[2J \u202egnp.exe'
  assert text.printable('naïve 猫 🙂\nsecond line') == 'naïve 猫 🙂\nsecond line'


def test_errors_bars_and_reports_are_harmless(capsys):
  assert harmless(str(UserError(f'{EVIL}: no')))
  progress.ProgressBar(10).say(EVIL)
  progress.show_run(f'/runs/{EVIL}', {})
  progress.show_preparation(
    EVIL,
    f'/data/{EVIL}',
    {
      **{'images': 1, 'files': 2, 'converted': 1, 'refused': 1, 'conversions': {EVIL: 1}},
      **{'refusals': [(EVIL, EVIL)], 'rows_without_image': [EVIL], 'other_files': [EVIL]},
      **{'image_shape': (8, 8, 1), 'splits': {EVIL: 1}, 'kind': 'grey', 'classes': {EVIL: 1}},
      'attributes': [EVIL],
    },
  )
  shown = capsys.readouterr()
  assert 'owned' in shown.out
  assert harmless(shown.out)
  assert harmless(shown.err)


@pytest.mark.parametrize(
  'workdir', ['/my runs/a', "/it's/$HOME", '/a;rm -rf b', '/a[1]', '/*', '/a,b', '/🙂 & co']
)
def test_printed_commands_can_be_pasted(workdir, capsys):
  progress.show_run(workdir, {})
  lines = capsys.readouterr().out.splitlines()
  (evaluate,) = [line for line in lines if 'launch.py evaluate' in line]
  assert shlex.split(evaluate)[1:] == ['launch.py', 'evaluate', f'--workdir={workdir}']
  (sample,) = [line for line in lines if 'launch.py sample' in line]
  assert shlex.split(sample)[-1] == f'--out={workdir}/grid.png'


@pytest.mark.parametrize(
  ('interpreter', 'named'),
  [
    ('/project/.venv/bin/python', '.venv/bin/python'),
    ('/project/my env/bin/python3', "'my env/bin/python3'"),
    ('/usr/bin/python3', 'python'),  # not of this folder: by its name, as the user has begun it
  ],
)
def test_commands_name_the_interpreter_that_is_within_reach(monkeypatch, interpreter, named):
  monkeypatch.setattr(text.os, 'getcwd', lambda: '/project')
  monkeypatch.setattr(text.sys, 'executable', interpreter)
  assert text.command('launch.py', 'runs') == f'{named} launch.py runs'


@pytest.mark.parametrize('name', ['=1+1', '+1', '-1+cmd', '@SUM(A1)', '\t=1'])
def test_no_cell_of_a_table_is_a_formula(name, tmp_path):
  import numpy as np

  score = scores.Score('fd', 'pixels', 'none', False, Estimate(1, 0, 2), 10, 10)
  score = score._replace(details={0: Estimate(1, 0, 2)})
  row = scores.Scored(name, [score], class_names=(name,))
  images = np.zeros((2, 8, 8, 1), np.uint8)
  gallery = Gallery(name, images, images, np.zeros(2))
  report.write(Evaluation([row], (0, []), 'fd_pixels', gallery, [], {}), str(tmp_path))
  for cells in csv.reader(io.StringIO((tmp_path / 'scores.csv').read_text())):
    assert not any(cell.startswith(('=', '+', '-', '@', '\t')) for cell in cells)


@pytest.mark.parametrize('name', ['a$b$c', r'$\frac{1}{', '$x_{$'])
def test_no_name_is_a_formula_of_a_picture(name, tmp_path):
  import numpy as np

  score = scores.Score('fd', 'pixels', 'none', False, Estimate(1, 0, 2), 10, 10)
  score = score._replace(details={0: Estimate(1, 0, 2), 1: Estimate(2, 0, 3)})
  rows = [scores.Scored(f'{name}{n}', [score], class_names=(name, name)) for n in range(2)]
  images = np.zeros((2, 8, 8, 1), np.uint8)
  gallery = Gallery(name, images, images, np.zeros(2))
  report.write(Evaluation(rows, (0, []), 'fd_pixels', gallery, [], {}), str(tmp_path))
  assert (tmp_path / 'scores.png').stat().st_size > 0
