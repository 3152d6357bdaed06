"""Reads volumes (NIfTI, Analyze, MGH): a picture a slice, the usual way up, empty ones left out."""

import contextlib
import gzip
import io
import logging
import math
import zlib
from collections.abc import Iterator
from typing import Any

import nibabel as nib
import numpy as np

from gan_jax.data.ingest.levels import shown
from gan_jax.data.ingest.picture import Picture, RefusedError, first_line

MAX_BYTES = 2**32  # of a volume, decompressed: four GiB of zeros fit in four MiB of gzip
MAX_VOXELS = 2**28  # of three dimensions, which are in memory at a time
FOREGROUND = 0.1  # of the range shown: what is brighter is no background
_GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
_NIFTI, _MGH = ('.nii', '.nii.gz'), ('.mgz', '.mgh', '.mgh.gz')
_SUFFIXES = (*_NIFTI, *_MGH, '.img', '.img.gz')
_HEAD = 540  # bytes of the longest header

# It prints what it mends in a header, whatever the caller's logging.
logging.getLogger('nibabel.global').setLevel(logging.CRITICAL)


def is_volume(name: str, data: bytes) -> bool:
  """Whether a file is a volume by its first bytes, also gzipped, or by its name.

  A broken file of that name is one too, so that it is refused for what is wrong with it.
  """
  if name.lower().endswith((*_NIFTI, *_MGH)):
    return True
  with contextlib.suppress(*_GZIP_ERRORS):
    return _image_class(name, _stream(data).read(_HEAD)) is not None
  return False


def read(
  name: str,
  data: bytes,
  *,
  axis: int = 2,
  slices: tuple[int | None, int | None] = (None, None),
  percentiles: tuple[float, float] = (0.5, 99.5),
  empty_below: float = 0.02,
) -> Iterator[Picture]:
  """Yields slices of a volume, uint16 `[H, W, 1]` over 0..65535, or of colours uint8 `[H, W, C]`.

  Axes are the patient's, whichever way the file stores them: the volume is turned to the nearest
  RAS+ orientation, in which 0 counts from left to right, 1 from posterior to anterior, 2 from
  inferior to superior. Slices are shown as DICOM viewers show them: anterior up in axial ones,
  superior up in the others; the patient's left is on the right-hand side of axial and coronal
  ones, anterior is on the left-hand side of sagittal ones. Pixels are the voxels as they are, not
  made square where a voxel is not.

  Intensities are those of each 3-D volume between two percentiles of its non-zero finite voxels.
  A slice is empty where fewer than `empty_below` of its pixels are brighter than a tenth of that
  range. NaN and infinite voxels are black. Colours are left as they are.

  The group is the file's name without its suffix, folders included. All slices of a volume have
  to stay on one side of a split, as neighbours are near copies; nothing in NIfTI says which files
  are of one patient.

  Args:
    name: of the file; slice 131 is `name#s0131`, of volume 2 of a 4-D file `name#v02s0131`.
    data: the whole file, gzipped or not.
    axis: across which slices are cut: 0 sagittal, 1 coronal, 2 axial.
    slices: start and stop, in slices of that axis counted from 0, as of a Python slice.
    percentiles: shown as black and as white, in percent.
    empty_below: fraction of a slice's pixels; 0 keeps every slice.

  Raises:
    RefusedError: for a file that cannot be read, or of which no slice is left.
  """
  group = name
  for suffix in _SUFFIXES:
    if name.lower().endswith(suffix):
      group = name[: -len(suffix)]
  with _refusals():
    image = _open(name, data)
    turn = nib.orientations.io_orientation(image.affine)
    number = image.shape[3] if len(image.shape) > 3 else 1
  yielded = 0
  for index in range(number):
    with _refusals():
      volume = nib.orientations.apply_orientation(_volume(image, index), turn)
      levels = volume if volume.ndim > 3 else _levels(volume, percentiles)[..., None]
    for place in range(volume.shape[axis])[slice(*slices)]:
      slice_at = (slice(None),) * axis + (place,)  # a view; `take` would copy the whole volume
      shown = levels[slice_at].swapaxes(0, 1)[::-1, ::-1]
      if np.mean(shown[..., :3].max(-1) > FOREGROUND * np.iinfo(shown.dtype).max) < empty_below:
        continue
      part = f'v{index:02d}' * (number > 1) + f's{place:04d}'
      yield Picture(f'{name}#{part}', np.ascontiguousarray(shown), (), group, medical=True)
      yielded += 1
  if not yielded:
    raise RefusedError('no slice is left: all are empty or out of the range asked for')


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
  """Turns whatever a hostile file makes nibabel or NumPy raise into a refusal, in silence."""
  try:
    with np.errstate(all='ignore'):
      yield
  except RefusedError:
    raise
  except Exception as error:
    kind = 'broken or truncated gzip' if isinstance(error, _GZIP_ERRORS) else 'not readable'
    raise RefusedError(f'{kind}: {first_line(error)}') from error


def _stream(data: bytes) -> Any:
  stream = io.BytesIO(data)
  return gzip.GzipFile(fileobj=stream) if data[:2] == b'\x1f\x8b' else stream


def _image_class(name: str, head: bytes) -> Any:
  """Returns the class of nibabel's for a volume in a file that begins so, or None."""
  if head[344:347] == b'n+1':
    return nib.Nifti1Image
  if head[4:7] == b'n+2':
    return nib.Nifti2Image
  if head[344:347] == b'ni1' or head[4:7] == b'ni2':
    return nib.Nifti1Pair
  return nib.MGHImage if name.lower().endswith(_MGH) else None


def _open(name: str, data: bytes) -> Any:
  """Parses the header, once its claims are known to be bounded and all voxels to be there.

  Returns:
    nibabel's image, whose voxels are read volume by volume as they are asked for, and whose fourth
    dimension alone may be followed by others, of length 1.
  """
  stream = _stream(data)
  head = stream.read(_HEAD)
  kind = _image_class(name, head)
  if kind is None:
    raise RefusedError('not NIfTI in a single file')
  if kind is nib.Nifti1Pair:
    raise RefusedError('the header of a pair, whose .img is not beside it')
  header = kind.header_class.from_fileobj(io.BytesIO(head))
  shape, dtype = header.get_data_shape(), header.get_data_dtype()
  if dtype.kind == 'c':
    raise RefusedError('a volume of complex numbers; numbers and colours are read')
  if min(shape, default=0) < 1 or math.prod(shape[4:]) != 1:
    raise RefusedError(f'a volume of shape {shape}; three dimensions or four are read')
  size = header.get_data_offset() + math.prod(shape) * dtype.itemsize
  if size > MAX_BYTES:
    raise RefusedError(f'a volume of {size / 2**30:.1f} GiB; at most {MAX_BYTES / 2**30:.0f}')
  if math.prod(shape[:3]) > MAX_VOXELS:
    raise RefusedError(f'a volume of {math.prod(shape[:3]):,} voxels; at most {MAX_VOXELS:,}')
  found = len(head)
  while more := len(stream.read(2**20)):  # gzip compares its checksum at the end alone
    found += more
    if found > MAX_BYTES + _HEAD:
      raise RefusedError(f'more than {MAX_BYTES / 2**30:.0f} GiB, most of it not of the volume')
  if found < size:
    raise RefusedError(f'truncated: {found} of {size} bytes')
  stream.seek(0)
  return kind.from_file_map({'image': nib.FileHolder(fileobj=stream)})


def _volume(image: Any, index: int) -> np.ndarray:
  """Reads one 3-D volume of an image: scaled, float32 `[X, Y, Z]`, or colours `[X, Y, Z, C]`."""
  voxels = image.dataobj
  if len(image.shape) > 3:
    voxels = voxels[(..., index, *[0] * (len(image.shape) - 4))]
  values = np.asarray(voxels)
  shape = (*image.shape, 1, 1)[:3]
  if channels := values.dtype.names:
    return np.stack([values[channel] for channel in channels], -1).reshape((*shape, -1))
  return values.astype(np.float32).reshape(shape)


def _levels(volume: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
  """Maps a volume to uint16 0..65535 between percentiles of its non-zero finite voxels."""
  finite = np.isfinite(volume)
  foreground = volume[finite & (volume != 0)]
  if not foreground.size:
    return np.zeros(volume.shape, np.uint16)
  ends = np.percentile(foreground, percentiles, overwrite_input=True)  # which is a copy already
  least, greatest = map(float, ends)
  if least == greatest:  # a mask: its zeros are the other end
    least, greatest = min(least, 0), max(greatest, 0)

  def levels(some: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(some), (some - least) / (greatest - least), 0)

  return shown(levels, volume)
