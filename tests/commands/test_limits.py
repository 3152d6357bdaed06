import json
import subprocess
import sys

import numpy as np
import pytest

from gan_jax.data import by_name
from gan_jax.sampling import dicom


def first_line(*arguments):
  command = [sys.executable, 'launch.py', *arguments]
  found = subprocess.run(command, capture_output=True, text=True, check=False)
  return found.stdout.split('\n')[0]


@pytest.fixture
def workdir(tmp_path):
  (tmp_path / 'run.json').write_text(json.dumps({'dataset': {'medical': True, 'modality': 'CT'}}))
  return tmp_path


def test_a_run_on_images_of_medicine_begins_with_what_it_is_not_for(workdir, tmp_path):
  line = first_line('sample', f'--workdir={workdir}', f'--out={tmp_path}/out')
  assert line.startswith('! Not for clinical use: images of medicine (CT)')
  (workdir / 'run.json').write_text(json.dumps({'dataset': {'medical': False}}))
  assert 'clinical' not in first_line('sample', f'--workdir={workdir}', f'--out={tmp_path}/out')


def test_a_dataset_of_medicine_likewise(tmp_path):
  folder = tmp_path / 'mine' / '1.0.0'
  folder.mkdir(parents=True)
  (folder / 'metadata.json').write_text(json.dumps({'medical': True, 'modality': 'MR'}))
  line = first_line('inspect', '--dataset=mine', f'--data_dir={tmp_path}')
  assert line.startswith('! Not for clinical use: images of medicine (MR)')


def test_a_preparation_of_images_of_medicine_says_so_and_keeps_what_it_is_told(tmp_path):
  image = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
  (tmp_path / 'in').mkdir()
  for number in range(12):
    found = dicom.dataset(image + number, dicom.Series('CT'), number + 1, {}, '')
    found.PatientID = f'p{number}'
    dicom.write(str(tmp_path / 'in' / f'{number}.dcm'), found)
  line = first_line(
    *('prepare', f'--source={tmp_path}/in', '--name=mine', f'--data_dir={tmp_path}/data'),
    '--not_for=sale',
  )
  assert line.startswith('! Not for clinical use: images of medicine (CT)')
  dataset = by_name.open_dataset('mine', 'train', str(tmp_path / 'data'), (8, 8), 64)
  kept = {key: dataset.origin[key] for key in ('not_for', 'medical', 'modality')}
  assert kept == {'not_for': 'sale', 'medical': True, 'modality': 'CT'}
