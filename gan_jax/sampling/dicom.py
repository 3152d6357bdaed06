"""Synthetic images as DICOM: marked so by the standard's own attributes, with no patient's data.

Secondary Capture (PS3.3 A.8.1) of conversion type SYN, Synthetic Image (C.8.6.1): a scanner's own
classes would need a geometry and settings of an acquisition, and there was none. The modality is
that of the images which the generator was trained on. Further marks: Image Type DERIVED, Content
Qualification (0018,9004) RESEARCH, and words in name, id and descriptions. Synthetic Data
(0008,001C; SOP Common, type 3, YES or NO) is not written: the standard has it since lately, and
validators and archives of a few years, dicom3tools of 2022 among them, refuse it as no attribute of
the standard.
"""

import os
import time
from collections.abc import Mapping

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from gan_jax.data.ingest.picture import RefusedError
from gan_jax.sampling import about

DESCRIPTION = 'SYNTHETIC - not a patient - not for diagnosis'
_ID, _NAME = 'SYNTHETIC', 'SYNTHETIC^NOT A PATIENT'
_MODALITY = 'OT'  # other: where the source of the data says none


class Series:
  """New UIDs that the images of one set share."""

  def __init__(self, modality: str = ''):
    """Makes up a study and a series; `modality` is that of the data, such as MR."""
    self.modality = modality or _MODALITY
    self.study, self.series, self.made = _new_uid(), _new_uid(), time.gmtime()


def dataset(
  image: np.ndarray, series: Series, number: int, recipe: about.Recipe, limits: str
) -> Dataset:
  """Makes a DICOM dataset of an image.

  Args:
    image: `[H, W, C]`, uint8 or uint16, C of 1, shown as MONOCHROME2, or 3.
    series: that it is of.
    number: of the image there, from 1.
    recipe: how it was made.
    limits: what it may not be used for.

  Raises:
    RefusedError: for images with transparency, which DICOM has none of.
  """
  if image.shape[-1] not in (1, 3):
    raise RefusedError(f'{image.shape[-1]} channels; DICOM takes 1 or 3')
  found = Dataset()
  found.file_meta = FileMetaDataset()
  found.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
  found.file_meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
  found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID = _new_uid()
  for keyword, value in {
    'SpecificCharacterSet': 'ISO_IR 192',
    'SOPClassUID': uid.SecondaryCaptureImageStorage,
    'StudyInstanceUID': series.study,
    'SeriesInstanceUID': series.series,
    **_who(series.made),
    **_what(series.modality, number, recipe, limits),
    **_pixels(image),
  }.items():
    setattr(found, keyword, value)
  return found


def write(path: str, found: Dataset) -> None:
  """Writes a dataset; a reader never sees a part of it."""
  temporary = f'{path}.{os.getpid()}.tmp'
  try:
    pydicom.dcmwrite(temporary, found, enforce_file_format=True)
    os.replace(temporary, path)
  finally:
    if os.path.exists(temporary):
      os.remove(temporary)


def _who(made: time.struct_time) -> Mapping[str, str]:
  """Patient and study: what the standard wants there to be, and nobody in it."""
  return {
    'PatientName': _NAME,
    'PatientID': _ID,
    'StudyID': _ID,
    'StudyDate': time.strftime('%Y%m%d', made),
    'StudyTime': time.strftime('%H%M%S', made),
    **dict.fromkeys(('PatientBirthDate', 'PatientSex', 'ReferringPhysicianName'), ''),
    'AccessionNumber': '',
  }


def _what(modality: str, number: int, recipe: about.Recipe, limits: str) -> Mapping[str, object]:
  return {
    'Modality': modality,
    'SeriesNumber': 1,
    'SeriesDescription': DESCRIPTION,
    'StudyDescription': DESCRIPTION,
    'Manufacturer': 'gan_jax',
    'ConversionType': 'SYN',
    'InstanceNumber': number,
    'PatientOrientation': '',
    'ImageType': ['DERIVED', 'SECONDARY'],
    'Laterality': '',
    'ContentQualification': 'RESEARCH',
    'DerivationDescription': about.sentence(recipe)[:1024],
    'ImageComments': f'{DESCRIPTION}. {limits}'[:10240],
    'BurnedInAnnotation': 'NO',
    'LossyImageCompression': '00',
  }


def _pixels(image: np.ndarray) -> Mapping[str, object]:
  height, width, channels = image.shape
  bits = 8 * image.dtype.itemsize
  data = np.ascontiguousarray(image.astype(image.dtype.newbyteorder('<'))).tobytes()
  found: dict[str, object] = {
    'SamplesPerPixel': channels,
    'PhotometricInterpretation': 'MONOCHROME2' if channels == 1 else 'RGB',
    **({'PlanarConfiguration': 0} if channels == 3 else {}),
    'Rows': height,
    'Columns': width,
    'BitsAllocated': bits,
    'BitsStored': bits,
    'HighBit': bits - 1,
    'PixelRepresentation': 0,
    'PixelData': data,  # of an odd length it is padded as it is written
  }
  if channels == 1:
    found |= {'WindowCenter': 2 ** (bits - 1), 'WindowWidth': 2**bits}
  return found


def _new_uid() -> uid.UID:
  return uid.generate_uid(prefix=None)
