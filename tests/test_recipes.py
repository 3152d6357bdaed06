"""The recipes over a user's own images, on files that come with a package."""

import pathlib

import jax
import numpy as np
import pydicom
import pytest

from configs import xray
from gan_jax import build
from gan_jax.data import by_name
from gan_jax.data.ingest import options, prepare
from gan_jax.train import train

SCANS = pathlib.Path(pydicom.__file__).parent / 'data' / 'test_files' / 'dicomdirtests'


@pytest.fixture(scope='module')
def scans(tmp_path_factory):
  """The 31 small CR, CT and MR images of pydicom, prepared as an own dataset."""
  folder = tmp_path_factory.mktemp('scans')
  table = ['file,modality,patient']
  for path in sorted(SCANS.rglob('*')):
    if path.is_file() and not path.name.startswith(('DICOMDIR', 'README', 'IM0')):
      file = pydicom.dcmread(path)
      name = path.relative_to(SCANS).as_posix()
      table.append(f'{name},{file.Modality},{file.PatientID}')
  (folder / 'labels.csv').write_text('\n'.join(table))
  asked = options.Options(
    source=str(SCANS),
    name='scans',
    data_dir=str(folder),
    size=(16, 16),
    labels=str(folder / 'labels.csv'),
    label='modality',
    split={'train': 0.7, 'test': 0.3},
  )
  return asked.data_dir, prepare.prepare(asked, by_name.open_builder)


def test_a_folder_of_dicom_files_becomes_a_dataset_of_full_depth(scans):
  data_dir, prepared = scans
  assert prepared.report['images'] == 31
  assert prepared.report['kind'] == 'grey16'
  assert set(prepared.report['classes']) == {'CR', 'CT', 'MR'}
  assert all(reason for _, reason in prepared.report['refusals']), prepared.report['refusals']
  dataset = by_name.open_dataset('scans', 'train', data_dir, (16, 16), 64)
  images = dataset.fetch(np.arange(len(dataset)))['image']
  assert images.dtype == np.uint16
  assert len(np.unique(images)) > 256  # more levels than 8 bits have


def test_no_patient_is_in_both_splits(scans):
  data_dir, _ = scans
  builder = by_name.open_builder('scans', data_dir)
  patients = {
    split: {row['attributes']['patient'] for row in builder.as_data_source(split)}
    for split in ('train', 'test')
  }
  assert not patients['train'] & patients['test']


def test_the_xray_recipe_trains_on_them(scans, tmp_path):
  data_dir, _ = scans
  config = xray.get_config()
  config.dataset.name, config.dataset.data_dir = 'scans', data_dir
  config.dataset.resolution = 16
  config.dcgan.width = 8
  config.train.batch_size, config.train.images = 8, 16
  config.evaluate.images = 0
  train(config, str(tmp_path))
  run = build.open_run(str(tmp_path), None)
  (images,) = run.sampler(8).draw(run.variables, np.zeros(8, np.int32), seed=0)
  assert images.dtype == np.uint16
  assert images.shape == (8, 16, 16, 1)
  assert jax.device_count() == 8
