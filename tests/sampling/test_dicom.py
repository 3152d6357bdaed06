import os
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from gan_jax.data.ingest import dicom as reader
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.sampling import dicom

RECIPE = {'Model': 'dcgan', 'Seed': '3', 'Class': 'sagittal 頭'}
KINDS = [('u1', 1), ('u2', 1), ('u1', 3)]


def drawn(dtype, channels):
  rng = np.random.default_rng(0)
  return rng.integers(0, np.iinfo(dtype).max + 1, (7, 5, channels)).astype(dtype)


def written(tmp_path, image, modality='MR', number=1):
  path = str(tmp_path / f'{number}.dcm')
  found = dicom.dataset(image, dicom.Series(modality), number, RECIPE, 'Not for: anything.')
  dicom.write(path, found)
  return path


@pytest.mark.parametrize(('dtype', 'channels'), KINDS)
def test_pydicom_reads_the_pixels_that_were_made(tmp_path, dtype, channels):
  image = drawn(dtype, channels)
  found = pydicom.dcmread(written(tmp_path, image))
  assert np.array_equal(found.pixel_array.reshape(image.shape), image)
  assert found.pixel_array.dtype == image.dtype
  assert found.BitsStored == 8 * image.dtype.itemsize
  assert len(found.PixelData) % 2 == 0  # as every value is in a file (PS3.5 7.1.1)
  assert found.PhotometricInterpretation == ('MONOCHROME2' if channels == 1 else 'RGB')


def test_it_is_marked_as_synthetic_and_of_nobody(tmp_path):
  found = pydicom.dcmread(written(tmp_path, drawn('u2', 1)))
  assert (found.Modality, found.ConversionType) == ('MR', 'SYN')
  assert found.ContentQualification == 'RESEARCH'
  assert found.ImageType[0] == 'DERIVED'
  for shown in ('SeriesDescription', 'StudyDescription', 'StudyID', 'ImageComments'):
    assert 'SYNTHETIC' in found[shown].value  # whichever of them a viewer lists
  assert 'Class sagittal 頭' in found.DerivationDescription
  assert 'Not for: anything.' in found.ImageComments
  assert (found.PatientName, found.PatientID) == ('SYNTHETIC^NOT A PATIENT', 'SYNTHETIC')
  assert found.PatientBirthDate == found.PatientSex == ''


# Of Secondary Capture (PS3.3 A.8.1-1) what has to be there: with a value, and if need be without.
NEVER_EMPTY = {
  *('SOPClassUID', 'SOPInstanceUID', 'StudyInstanceUID', 'SeriesInstanceUID', 'Modality'),
  *('ConversionType', 'SamplesPerPixel', 'PhotometricInterpretation', 'Rows', 'Columns'),
  *('BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation', 'PixelData'),
}
MAY_BE_EMPTY = {
  *('PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyDate', 'StudyTime'),
  *('ReferringPhysicianName', 'StudyID', 'AccessionNumber', 'SeriesNumber', 'Laterality'),
  *('Manufacturer', 'InstanceNumber', 'PatientOrientation'),
}


@pytest.mark.parametrize(('dtype', 'channels'), KINDS)
def test_what_the_standard_asks_for_is_there(tmp_path, dtype, channels):
  found = pydicom.dcmread(written(tmp_path, drawn(dtype, channels)))
  assert {name for name in NEVER_EMPTY | MAY_BE_EMPTY if name not in found} == set()
  assert {name for name in NEVER_EMPTY if found[name].value in ('', None)} == set()
  assert ('PlanarConfiguration' in found) == (channels == 3)


def test_images_of_a_set_share_a_series_and_nothing_else():
  series = dicom.Series()
  one, two = (dicom.dataset(drawn('u1', 1), series, n, RECIPE, '') for n in (1, 2))
  assert one.SeriesInstanceUID == two.SeriesInstanceUID
  assert one.SOPInstanceUID != two.SOPInstanceUID
  assert dicom.Series().series != series.series
  assert one.Modality == 'OT'


def test_of_a_file_that_could_not_be_written_nothing_is_left(tmp_path, monkeypatch):
  def full(source, target):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(dicom.os, 'replace', full)
  with pytest.raises(OSError, match='No space left'):
    written(tmp_path, drawn('u1', 1))
  assert list(tmp_path.iterdir()) == []


def test_transparency_is_refused():
  with pytest.raises(RefusedError, match='4 channels'):
    dicom.dataset(drawn('u1', 4), dicom.Series(), 1, RECIPE, '')


def test_prepare_reads_them_as_they_were_made(tmp_path):
  image = drawn('u2', 1)
  with open(written(tmp_path, image), 'rb') as file:
    (picture,) = reader.read('1.dcm', file.read())
  assert np.abs(picture.pixels.astype(int) - image).max() <= 1  # by way of its window
  assert picture.medical


@pytest.mark.parametrize(('dtype', 'channels'), KINDS)
def test_a_validator_finds_no_error(tmp_path, dtype, channels):
  if not shutil.which('dciodvfy') and 'GAN_JAX_NEEDS_DICOM3TOOLS' not in os.environ:
    pytest.skip('dciodvfy of dicom3tools is not installed')
  path = written(tmp_path, drawn(dtype, channels))
  found = subprocess.run(['dciodvfy', path], capture_output=True, text=True, check=False)
  told = found.stdout + found.stderr
  assert 'SCImage' in told
  assert 'Error' not in told, told
