"""The command, on a run and on folders, and what it writes."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

import launch
from gan_jax.audit import conduct, report, result, subject
from gan_jax.audit.result import Mark, Picture, Result, Sentence, Table
from gan_jax.errors import UserError
from gan_jax.metrics.estimate import Estimate
from gan_jax.workdir import record


def found(text='plain'):
  return Result(
    'representation',
    f'Title {text}',
    (Sentence(f'a fault {text}', 'bad'), Sentence('no', 'unknown')),
    {'share/class/a': Estimate(0.1, 0.05, 0.2), 'bad': Estimate(float('nan'), 0.0, float('inf'))},
    (Table(f'table {text}', ('', 'x'), ((text, ''),), frozenset({0}), (Mark(0.1, 0, 1, 0.2),), 1),),
    (Picture(text, np.zeros((8, 8, 1), np.uint8)),),
    {'n': 3},
  )


@pytest.fixture(scope='module')
def small(finished):
  workdir, _ = finished
  return subject.of_run(workdir, num_samples=40)


def test_numbers_go_to_json_csv_and_one_line_of_a_record(small, tmp_path):
  report.write(small, [found()], str(tmp_path))
  content = json.loads((tmp_path / 'audit.json').read_text())
  assert content['images'] == 40
  assert content['audits'][0]['numbers']['bad']['value'] is None
  rows = list(csv.DictReader((tmp_path / 'audit.csv').open()))
  assert [row['key'] for row in rows] == ['share/class/a', 'bad']
  line = result.flat([found()])
  assert line['representation/share/class/a_high'] == 0.2
  assert all(np.isfinite(list(line.values())))


def test_a_page_fetches_nothing_and_shows_text_as_text(small):
  page = report.page(small, [found('<script>alert(1)</script>')])
  assert '<script>alert' not in page
  assert '&lt;script&gt;alert' in page
  assert not re.search(r'(src|href)=["\']?(https?:)?//', page)
  assert 'width=device-width' in page
  assert '<svg class="dots"' in page


def test_images_of_a_run_are_those_that_its_seed_draws(small):
  again = small.draw(np.arange(40) * 0 if small.labels is None else small.labels, small.seed + 1)
  np.testing.assert_array_equal(again, small.images)


def test_settings_go_to_the_audits_that_have_them():
  modules = conduct.chosen(['representation', 'utility'])
  settings = conduct.settings_of(modules, {'seeds': 3, 'target': 'class=uniform'})
  assert settings['utility'].seeds == 3
  assert settings['representation'].target == 'class=uniform'
  with pytest.raises(UserError, match='--seeds: has no part in --audits=representation'):
    conduct.settings_of(conduct.chosen(['representation']), {'seeds': 3})


@pytest.mark.parametrize(
  ('names', 'message'),
  [(['utlity'], "unknown; did you mean 'utility'"), (['utility', 'utility'], 'is there twice')],
)
def test_audits_that_there_are_not_are_one_line(names, message):
  with pytest.raises(UserError, match=message):
    conduct.chosen(names)


def test_what_one_audit_cannot_give_leaves_the_others(small):
  class Refuses:
    @staticmethod
    def audit(subject, settings):
      raise UserError('no such thing')

  class Gives:
    @staticmethod
    def audit(subject, settings):
      return found()

  settings = {'a': None, 'b': None}
  results = conduct.conduct(small, {'a': Refuses, 'b': Gives}, settings)
  assert results[0].sentences == (Sentence('no such thing', 'unknown'),)
  assert results[1].sentences[0].level == 'bad'
  with pytest.raises(UserError, match='no such thing'):
    conduct.conduct(small, {'a': Refuses}, settings)


def folder(path, images, names):
  for number, (image, name) in enumerate(zip(images, names, strict=True)):
    place = path / name if name else path
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0]).save(place / f'{number:05d}.png')
  return str(path)


def test_folders_by_anybody_are_audited_without_classes_of_their_own(
  digits, tmp_path, monkeypatch, capsys
):
  batch = digits.fetch(np.arange(len(digits))[::4])
  names = [f'digit{label}' for label in batch['label']]
  reference = folder(tmp_path / 'real', batch['image'], names)
  keep = batch['label'] != 7
  images = folder(tmp_path / 'fake', batch['image'][keep], [''] * int(keep.sum()))
  out = tmp_path / 'out'
  monkeypatch.setattr('sys.argv', ['launch.py'])
  made = subject.of_folder(images, reference, labels='folders', features=('classifier',))
  assert made.labels is None
  assert made.num_classes == 10
  modules = conduct.chosen(['representation'])
  results = conduct.conduct(made, modules, conduct.settings_of(modules, {}))
  report.check(str(out))
  report.write(made, results, str(out))
  assert 'digit7 is hardly ever drawn' in (out / 'audit.html').read_text()


def test_the_command_audits_a_run_and_adds_a_line_to_its_record(finished, tmp_path):
  workdir, _ = finished
  code = launch.main(
    [
      *('launch.py', 'audit', f'--workdir={workdir}', '--audits=representation'),
      *('--num_samples=200', f'--out={tmp_path}', '--metrics'),
    ]
  )
  assert code == 0
  (line,) = record.read_metrics(workdir, 'audit')
  assert any(key.startswith('representation/share/class/') for key in line)
  assert {'audit.json', 'audit.csv', 'audit.html'} <= {each.name for each in tmp_path.iterdir()}
