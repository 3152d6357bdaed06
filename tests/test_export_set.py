import csv
import json
import pathlib
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from PIL import Image

from gan_jax import export_set, opening
from gan_jax.audit import conduct, requests, scope, views
from gan_jax.data import by_name
from gan_jax.errors import UserError
from gan_jax.sampling.about import OUTSIDE
from gan_jax.sampling.plan import plan
from tests.sampling import drawn

PUBLISHED = pathlib.Path(__file__).parent.absolute() / 'share' / 'fixtures'


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
  """A copy of a run, judged by features and audits that are quick here."""
  monkeypatch.setattr(views, '_ALSO', ())
  monkeypatch.setattr(conduct, 'DEFAULT', ('scope', 'memorisation'))
  return shutil.copytree(finished[0], tmp_path / 'run')


def edit(run, **changes):
  about = json.loads((run / 'run.json').read_text())
  about.pop('sha256', None)  # by which a change would be known
  about['dataset'] |= changes
  (run / 'run.json').write_text(json.dumps(about))


def asked(run, count=6, classes=(0, 3, 7), truncation=1.0):
  return plan(opening.open_model(str(run)), 0, count, classes, truncation)


def test_a_set_holds_the_images_that_are_generated_in_every_form(run, tmp_path):
  edit(run, medical=True, modality='MR', not_for='sale')
  drawn, folder = asked(run), tmp_path / 'set'
  export_set.write(drawn, str(folder))
  images = list(drawn.images())
  with open(folder / 'labels.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['label'] for row in rows] == ['0', '3', '7', '0', '3', '7']
  names = [row['file'].removeprefix('images/').removesuffix('.png') for row in rows]
  for image, row, name in zip(images, rows, names, strict=True):
    with Image.open(folder / row['file']) as found:
      assert np.array_equal(np.asarray(found), image[..., 0])
      assert 'The data are not for: sale.' in found.text['Limits of use']
    dicom = pydicom.dcmread(folder / 'dicom' / f'{name}.dcm')
    assert np.array_equal(dicom.pixel_array, image[..., 0])
    assert (dicom.Modality, dicom.BitsStored) == ('MR', 8)
    assert 'The data are not for: sale.' in dicom.ImageComments
  dataset = by_name.open_dataset(export_set.NAME, 'train', str(folder / 'tfds'), (16, 16), 64)
  assert len(dataset) == 6
  assert sorted(x.tobytes() for x in dataset.fetch(range(6))['image']) == sorted(
    x.tobytes() for x in images
  )
  audit = json.loads((folder / 'audit' / 'audit.json').read_text())
  assert {'scope', 'memorisation'} <= {each['name'] for each in audit['audits']}
  assert audit['images'] == 6
  assert 'any decision about a patient' in (folder / 'README.txt').read_text()
  if shutil.which('dciodvfy'):
    for path in (folder / 'dicom').iterdir():
      found = subprocess.run(['dciodvfy', path], capture_output=True, text=True, check=False)
      assert 'Error' not in found.stdout + found.stderr


def test_the_text_beside_a_set_says_once_what_it_is_and_how_it_was_made():
  model = drawn.model()
  asked = plan(model, 7, 3, [1])
  asked = asked._replace(remarks={'Limits of use': 'For nobody.', 'Kept within': '0.05'})
  lines = export_set._readme(asked, 'For nobody.').splitlines()
  said = dict(line.split(': ', 1) for line in lines if ': ' in line)
  assert lines.count('For nobody.') == 1
  assert 'Limits of use' not in said
  assert (said['Images'], said['Kept within']) == ('3', '0.05')
  assert said['Model'] == model.recipe()['Model']
  assert 'trainedAlgorithmicMedia' in said['Digital source type']


def test_what_the_data_hold_too_rarely_is_refused_or_marked(run, tmp_path):
  edit(run, class_counts=[400, 400, 400, 3, 0, 400, 400, 400, 400, 400])
  assert requests.check(asked(run, classes=(0, 7)), False).remarks == {}
  with pytest.raises(UserError, match=r'class 3: 3 training images, fewer than 10.*allow_outside'):
    requests.check(asked(run), False)
  with pytest.raises(UserError, match=r'--truncation=1\.2: latents beyond'):
    requests.check(asked(run, classes=(0,), truncation=1.2), False)
  marked = requests.check(asked(run), True)
  assert 'class 3' in marked.recipe(1)[OUTSIDE]
  export_set.outputs.write_folder(str(tmp_path / 'out'), marked)
  assert all(path.stem.endswith('_outside') for path in (tmp_path / 'out').iterdir())


def test_the_record_of_a_run_counts_classes_and_keeps_limits(run):
  about = json.loads((run / 'run.json').read_text())['dataset']
  assert about['class_counts'] == [400] * 10
  assert about['medical'] is False
  assert about['not_for'].startswith('claims about full MNIST')


@pytest.mark.parametrize('origin', ['r3gan.pkl', ''])
def test_a_model_of_another_origin_has_no_record_wherever_it_is(origin, tmp_path, monkeypatch):
  model = opening.open_model(str(PUBLISHED / origin)) if origin else drawn.model()
  (tmp_path / 'run.json').write_text('{"dataset": {"class_counts": [0, 0, 0]}}')
  monkeypatch.chdir(tmp_path)  # a run that is not the model's
  assert requests.data_of(model) == {}
  both = plan(model, 0, 2, [0])
  assert requests.check(both, False) is both


def test_screened_samples_are_within_what_held_out_images_are(run, capsys, monkeypatch):
  with pytest.raises(UserError, match=r'left out 20 times over \(outside: 60, copies: 0\)'):
    requests.screen(asked(run, count=3), 0.001, True)  # the run has hardly learnt
  draws = np.random.default_rng(0)
  chance = lambda self, images: draws.uniform(size=len(images))
  monkeypatch.setattr(scope.Outside, 'p_values', chance)
  found = requests.screen(asked(run, count=3), 0.5, True)
  assert len(found.seeds) == 3
  assert 'left out and drawn again: ' in capsys.readouterr().out
  assert set(found.remarks) == {'Kept within', 'Copies left out at'}
  with pytest.raises(UserError, match=r'--keep_within=1e-05: 1,000 held-out images tell no rate'):
    requests.screen(asked(run), 0.00001, False)
