"""DICOM and NIfTI, against pydicom and nibabel."""

import contextlib
import gzip
import io

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  RLELossless,
)

from tests.data.ingest.mutations.changing import ALONE, READ, require
from tests.data.ingest.mutations.images import decode_all


def some_dicom(rng):
  dataset = Dataset()
  dataset.file_meta = FileMetaDataset()
  dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
  dataset.SOPClassUID, dataset.SOPInstanceUID = '1.2.840.10008.5.1.4.1.1.7', '1.2.3'
  dataset.PatientID, dataset.StudyInstanceUID = 'P1', '1.2'
  signed, count = int(rng.integers(2)), int(rng.integers(1, 3))
  pixels = rng.integers(-900 * signed, 3000, (count, *rng.integers(2, 20, 2)))
  dataset.NumberOfFrames = count
  dataset.Rows, dataset.Columns = pixels.shape[1:]
  dataset.SamplesPerPixel = 1
  dataset.PhotometricInterpretation = rng.choice(['MONOCHROME1', 'MONOCHROME2'])
  dataset.BitsAllocated = dataset.BitsStored = 16
  dataset.HighBit, dataset.PixelRepresentation = 15, signed
  if rng.random() < 0.5:
    dataset.WindowCenter, dataset.WindowWidth = '40', '400'
  if rng.random() < 0.5:
    dataset.RescaleSlope, dataset.RescaleIntercept = '2', '-1000'
  if rng.random() < 0.3:
    dataset.add_new('PixelPaddingValue', 'SS' if signed else 'US', int(pixels[0, 0, 0]))
  dataset.PixelData = pixels.astype('<i2' if signed else '<u2').tobytes()
  file = io.BytesIO()
  how = rng.integers(5)
  if how == 0:
    dataset.compress(RLELossless)
  dataset.file_meta.TransferSyntaxUID = (
    RLELossless,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    *[ExplicitVRLittleEndian] * 2,
  )[how]
  pydicom.dcmwrite(file, dataset, enforce_file_format=True)
  return file.getvalue()[132 if how == 4 else 0 :]


def of_pydicom(data):
  """Frames over 0..65535 by pydicom's pixels and the standard's formulas; None: cannot tell."""
  dataset = pydicom.dcmread(io.BytesIO(data), force=True)
  if dataset.file_meta.get('TransferSyntaxUID') is None:
    implicit, little = dataset.original_encoding
    dataset.file_meta.TransferSyntaxUID = (
      ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    if not little:
      return None
  kind = dataset.PhotometricInterpretation
  stored = dataset.pixel_array
  if kind not in ('MONOCHROME1', 'MONOCHROME2') or 'VOILUTSequence' in dataset:
    return None
  stored = stored if stored.ndim > 2 else stored[None]
  if len(stored) != int(
    dataset.get('NumberOfFrames') or 1
  ):  # it takes what is there for more frames
    return None
  number = lambda key, default: (
    default if dataset.get(key) in (None, '') else float(dataset[key].value)
  )
  values = stored * number('RescaleSlope', 1.0) + number('RescaleIntercept', 0.0)
  padding = dataset.get('PixelPaddingValue')
  out = np.zeros(stored.shape, bool) if padding is None else stored == padding
  try:
    centre, width = number('WindowCenter', None), number('WindowWidth', None)
  except (ValueError, TypeError):
    centre = width = None
  if centre is None or width is None or not (np.isfinite([centre, width]).all() and width > 0):
    inside = values[~out]
    if not inside.size or inside.min() == inside.max():
      return np.zeros(stored.shape)
    levels = (values - inside.min()) / (inside.max() - inside.min())
  elif width > 1:
    levels = (values - (centre - 0.5)) / (width - 1) + 0.5
  else:
    return None
  levels = np.clip(levels, 0, 1)
  levels = 1 - levels if kind == 'MONOCHROME1' else levels
  return np.rint(np.where(out, 0, levels) * 65535)


def try_dicom(data, name):
  from gan_jax.data.ingest.picture import RefusedError

  found = []
  with contextlib.suppress(RefusedError):  # of a later frame
    found = [next(pictures := decode_all(name, data))]
    found += list(pictures)
  if not found:
    list(decode_all(name, data))  # its refusal
  try:
    expected = of_pydicom(data)
  except Exception:  # it reads all frames or none
    expected = None
  if expected is None or found[0].pixels.shape[-1] > 1:
    return ALONE
  require(len(found) <= len(expected), f'{len(found)} frames of {len(expected)}')
  for picture, frame in zip(found, expected, strict=False):
    require(picture.pixels.shape[:2] == frame.shape, 'another shape')
    require(np.abs(picture.pixels[..., 0] - frame).max() <= 1, 'other pixels than of pydicom')
  return READ


def some_nifti(rng):
  shape = tuple(rng.integers(2, 12, 3)) + ((2,) if rng.random() < 0.3 else ())
  dtype = rng.choice(['u1', 'i2', 'f4', '>i2'])
  volume = rng.integers(1, 200, shape).astype(dtype)
  kind = nib.Nifti1Image if rng.random() < 0.7 else nib.Nifti2Image
  affine = np.diag([*rng.choice([-1.0, 1.0, 2.0], 3), 1])[[*rng.permutation(3).tolist(), 3]]
  data = kind(volume, affine).to_bytes()
  return gzip.compress(data) if rng.random() < 0.3 else data


def try_nifti(data, name):
  found = list(decode_all(name, data))
  raw = gzip.decompress(data) if data[:2] == b'\x1f\x8b' else data
  kind = nib.Nifti1Image if raw[344:347] == b'n+1' else nib.Nifti2Image
  image = kind.from_bytes(raw)
  if image.get_data_dtype().fields or image.ndim < 3:
    return ALONE
  image = nib.as_closest_canonical(image)
  volumes = np.asarray(image.dataobj, np.float64).astype(np.float32)
  volumes = volumes.reshape((*volumes.shape, 1, 1)[: max(3, volumes.ndim)])
  series = volumes.ndim > 3 and volumes.shape[3] > 1
  for picture in found:
    part = picture.name.split('#')[1]
    volume, place = part[1:].split('s') if series else (0, part[1:])
    whole = volumes[..., int(volume), *[0] * (volumes.ndim - 4)] if volumes.ndim > 3 else volumes
    inside = whole[np.isfinite(whole) & (whole != 0)]
    least, greatest = np.percentile(inside, (0.5, 99.5))
    if least == greatest:
      least, greatest = min(least, 0), max(greatest, 0)
    with np.errstate(all='ignore'):
      levels = np.clip((whole[:, :, int(place)] - least) / (greatest - least), 0, 1)
    expected = np.nan_to_num(levels, nan=0, posinf=0, neginf=0)
    expected[~np.isfinite(whole[:, :, int(place)])] = 0
    pixels = picture.pixels[::-1, ::-1, 0].T / 65535
    require(pixels.shape == expected.shape, 'another shape')
    require(np.abs(pixels - expected).max() < 1e-3, 'other voxels than of nibabel')
  return READ
