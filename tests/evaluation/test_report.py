import csv
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.evaluation import picture, report
from gan_jax.evaluation.result import Evaluation, Gallery
from gan_jax.evaluation.scores import Score, Scored
from gan_jax.metrics.estimate import Estimate


def evaluation(rows=2, classes=3, channels=1, images=(100, 200), repeats=()):
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 256, (2, 5, 8, 6, channels), np.uint8)
  details = {number: Estimate(number / 10, 0.0, 0.9) for number in range(classes)}
  names = tuple(f'class {number}' for number in range(classes))
  found = []
  for place in range(rows):
    fd = Score(
      *('fd', 'inception_v3', 'antialias', False),
      Estimate(9.0 - place, 8.5 - place, 9.5 - place),
      **{'n': 1000, 'n_real': 5000, 'floor': Estimate(1.5, 1, 2), 'n_floor': 400},
      repeats=repeats,
    )
    accuracy = Score(
      *('class_accuracy', 'classifier', 'none', True, Estimate(0.5, 0.25, 0.75)),
      **{'n': 1000, 'n_real': 5000, 'details': details},
    )
    shown = images[place] if images else None
    found.append(Scored('runs/x', [fd, accuracy], place + 1, shown, names))
  gallery = Gallery('runs/x', *pixels, np.arange(5.0))
  best = (rows - 1, [0] if rows > 1 else [])
  return Evaluation(found, best, 'fd_inception_v3', gallery, ['a note', 'a note'], {})


def test_the_table_has_names_values_intervals_floors_and_what_is_best(capsys):
  report.show(evaluation())
  shown = capsys.readouterr().out
  headings = [line.strip('│ ').split()[0] for line in shown.splitlines() if '_n1000  ' in line]
  assert headings == ['fd_inception_v3_antialias_n1000', 'class_accuracy_classifier_n1000']
  assert 'runs/x at 200 images *' in shown
  assert shown.count(' *') == 1  # of the best row, by the score that it is best by
  assert '7.5 to 8.5' in shown
  assert 'held-out reals (N=400)' in shown
  assert 'lower is better: fd\n' in shown
  assert 'higher is better: class_accuracy\n' in shown
  assert 'to be read beside' not in shown  # of no score here
  assert 'compared with 5,000 real images' in shown
  assert shown.count('! a note') == 1
  best = 'best: runs/x at 200 images, by the lowest fd_inception_v3_antialias_n1000 (8)'
  assert f'{best}; within its interval: runs/x at 100 images' in shown


def test_of_one_subject_nothing_is_called_best(capsys):
  report.show(evaluation(rows=1, repeats=(9.0, 11.0)))
  shown = capsys.readouterr().out
  assert 'best' not in shown
  assert 'runs/x at 100 images' in shown
  assert '10 ± 1.4' in shown


def test_files_hold_every_score_and_class(tmp_path):
  folder = tmp_path / 'deep' / 'out'
  report.write(evaluation(repeats=(9.0, 11.0)), str(folder))
  found = json.loads((folder / 'scores.json').read_text())
  assert found['best'] == {'by': 'fd_inception_v3', 'row': 1, 'within_its_interval': [0]}
  assert [row['step'] for row in found['rows']] == [1, 2]
  assert found['rows'][1]['scores'][0]['value'] == 8.0
  assert found['notes'] == ['a note']
  assert found['circumstances']['packages']['jax']
  with open(folder / 'scores.csv', newline='') as file:
    lines = list(csv.DictReader(file))
  assert len(lines) == 2 * (2 + 3)
  assert lines[0]['name'] == 'fd_inception_v3_antialias_n1000'
  assert [float(lines[0][key]) for key in ('value', 'low', 'high')] == [9.0, 8.5, 9.5]
  assert [float(lines[0][key]) for key in ('floor', 'n_floor', 'repeats')] == [1.5, 400, 2]
  assert [line['class'] for line in lines[2:5]] == ['class 0', 'class 1', 'class 2']


@pytest.mark.parametrize(
  'options',
  [
    {'rows': 1, 'images': None},
    {'rows': 2, 'images': None, 'channels': 3},
    {'rows': 1, 'classes': 0, 'channels': 4},
    {'rows': 2, 'classes': 60},
  ],
)
def test_the_picture_is_drawn_for_runs_folders_and_many_classes(tmp_path, options):
  report.write(evaluation(**options), str(tmp_path))
  with Image.open(tmp_path / 'scores.png') as picture:
    assert picture.width > 1000
    assert len(picture.convert('RGB').getcolors(2**24)) > 50  # something is drawn


def test_a_run_is_a_curve_over_images_that_are_counted_in_short_numbers():
  axis = Figure().subplots()
  picture._scores(axis, evaluation(images=(5_000, 25_000_000)).rows, 'fd_inception_v3')
  curve, floor = axis.lines
  np.testing.assert_array_equal(curve.get_xydata(), [(5_000, 9), (25_000_000, 8)])
  np.testing.assert_array_equal(floor.get_ydata(), 1.5)
  assert axis.get_xlabel() == 'real images shown'
  shown = axis.xaxis.get_major_formatter()
  assert [shown(count) for count in (0, 5_000, 25_000_000)] == ['0', '5k', '25M']


@pytest.mark.parametrize('rows', [1, 2])
def test_names_below_points_are_turned_where_they_could_lie_upon_each_other(rows):
  axis = Figure().subplots()
  scored = [row._replace(subject=f'runs/{n}') for n, row in enumerate(evaluation(rows).rows)]
  picture._scores(axis, scored, 'fd_inception_v3')
  names = axis.get_xticklabels()
  assert [name.get_text() for name in names] == [row.label for row in scored]
  assert all((name.get_rotation() > 0) == (rows > 1) for name in names)


def test_images_and_the_real_ones_nearest_to_them_are_named_in_their_own_rows():
  part = Figure().subfigures()
  picture._gallery(part, evaluation().gallery)
  (axis,) = part.axes
  (shown,) = axis.images
  places = [tick / shown.get_array().shape[0] for tick in axis.get_yticks()]
  names = [label.get_text() for label in axis.get_yticklabels()]
  assert dict(zip(names, places, strict=True)) == {'scored': 1 / 4, 'nearest real': 3 / 4}


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(UserError, match=r'--out=.*cannot be written'):
    report.check(str(tmp_path / 'file'))
  report.check(str(tmp_path / 'a' / 'b'))
  assert not (tmp_path / 'a').exists()
