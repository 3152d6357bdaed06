"""Reads DICOM files: one picture a frame, grey at full depth or colour as RGB."""

import contextlib
import hmac
import io
import logging
import re
import secrets
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.datadict import dictionary_has_tag
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.valuerep import STANDARD_VR

from gan_jax.data.ingest import dicom_grey
from gan_jax.data.ingest.image import MAX_PIXELS
from gan_jax.data.ingest.picture import Picture, RefusedError

MAX_INFLATED = 2**28  # bytes of a deflated file: a thousandth of them may be on the disk
GROUP = re.compile('(patient|study)-[0-9a-f]{12}')  # as `read` names them
SALT = secrets.token_bytes(16)  # of this process, for what must agree no longer than it lasts
_PIECE = 2**20  # bytes inflated at a time, where they are only counted
_PIXEL_DATA = ('PixelData', 'FloatPixelData', 'DoubleFloatPixelData')

# It logs the traceback of every plugin that fails; what matters of it is in the refusal.
logging.getLogger('pydicom').setLevel(logging.CRITICAL)


def is_dicom(data: bytes) -> bool:
  """Whether a file begins as DICOM files do: with 'DICM' after 128 bytes, or with an element.

  Some exports leave the preamble out, and the file's own header too.
  """
  return data[128:132] == b'DICM' or _begins_with_an_element(data)


def _begins_with_an_element(data: bytes) -> bool:
  """Whether the first bytes are an element of the file's header or of the group after it."""
  explicit = data[4:6].decode('latin-1') in STANDARD_VR
  if explicit:
    return data[:2] in (b'\2\0', b'\x08\0', b'\0\x08')
  # Without a VR: a known element of no more than a line.
  tag, length = int.from_bytes(data[2:4], 'little'), int.from_bytes(data[4:8], 'little')
  known = tag == 0 or dictionary_has_tag(0x00080000 | tag)
  return data[:2] == b'\x08\0' and known and length % 2 == 0 and length <= 64 < len(data)


def read(
  name: str, data: bytes, window: tuple[float, float] | None = None, salt: bytes = SALT
) -> Iterator[Picture]:
  """Yields the frames of a DICOM file, decoded one at a time.

  Grey frames become uint16 `[H, W, 1]` over 0..65535, more being brighter: stored values are
  rescaled to modality values (Hounsfield units, Gy ..), then windowed; padding is black and counts
  for nothing. Colour frames become RGB `[H, W, 3]`, uint8 up to 8 bits stored and uint16 beyond.

  Optional elements that are empty count as missing, and so does a window that is no number.

  The group is a digest of the patient's id, or else of the study's UID. Slices of one patient are
  near copies of each other: on both sides of a split they would make the held-out side look learnt.
  The modality, such as MR, is kept. No other element of the header is carried on.

  Args:
    name: of the file; frames of a file of several are `name#0000`, `name#0001` ...
    data: the whole file.
    window: (centre, width > 0) in modality values, applied by the file's function (LINEAR where it
      names none). None: the file's own first table or window; where it has none, black and white
      are the least and greatest value of all its frames, and a note says so.
    salt: keys the digest of the group. Ids are short enough to be found by trying them all, so
      that a digest that is kept must not be one that others can make: keep the salt apart from it.

  Raises:
    RefusedError: for a file that cannot be read; later frames may be refused after the first.
  """
  with _refusals():
    dataset = _open(data)
    count = int(dataset.get('NumberOfFrames') or 1)
    if count < 1:
      raise RefusedError(f'NumberOfFrames is {count}')
    group = _group(dataset, salt)
    modality = _modality(dataset)
    kind = str(dataset.get('PhotometricInterpretation') or '')
    is_grey = kind.startswith('MONOCHROME')
    notes, limits = _notes(kind), None
    if is_grey and not dicom_grey.all_windowed(dataset, count, window):
      limits = dicom_grey.limits(dataset, _frames(dataset, count))
      notes = (*notes, 'no window: full range')
  frames = _frames(dataset, count)
  for index in range(count):
    with _refusals():
      frame = next(frames)
      if is_grey:
        pixels = dicom_grey.grey(dataset, index, frame, window, limits)
      else:
        pixels = _colour(dataset, frame)
      part = f'{name}#{index:04d}' if count > 1 else name
    yield Picture(part, pixels, notes, group, medical=True, modality=modality)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
  """Turns whatever a hostile file makes pydicom or NumPy raise into a refusal, in silence."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    try:
      yield
    except Exception as error:
      why = str(error).strip() or type(error).__name__
      if not isinstance(error, RefusedError):
        # pydicom goes on to guess at causes, in further sentences and lines.
        why = f'not readable: {why.splitlines()[0].split(" - ")[0]}'
      # What is cited from the file may hold anything.
      why = ''.join(c if c.isprintable() else ' ' for c in why[:250])
      raise RefusedError(why) from error


def _group(dataset: Dataset, salt: bytes = SALT) -> str:
  """A digest of the patient's id, or else of the study's: equal ids are told, but not which."""
  for kind, key in (('patient', 'PatientID'), ('study', 'StudyInstanceUID')):
    if value := str(dataset.get(key) or '').strip():
      return f'{kind}-{hmac.digest(salt, value.encode(), "sha256").hex()[:12]}'
  return ''


def _modality(dataset: Dataset) -> str:
  """The kind of instrument, where the file says one; a code as the standard has them."""
  found = str(dataset.get('Modality') or '').strip()
  return found if re.fullmatch('[A-Z][A-Z0-9]{1,15}', found) else ''


def _open(data: bytes) -> Dataset:
  """Parses a file and checks that it claims pixels that can be decoded."""
  if not is_dicom(data):
    raise RefusedError('not DICOM')
  _check_inflated(data)
  dataset = pydicom.dcmread(io.BytesIO(data), force=True)
  if not any(keyword in dataset for keyword in _PIXEL_DATA):
    raise RefusedError('DICOM with no pixel data')
  rows, columns = int(dataset.get('Rows') or 0), int(dataset.get('Columns') or 0)
  if rows * columns > MAX_PIXELS:
    raise RefusedError(f'frames of {columns} x {rows} pixels; at most {MAX_PIXELS} are read')
  if dataset.file_meta.get('TransferSyntaxUID') is None:
    dataset.file_meta.TransferSyntaxUID = _syntax(dataset)
  syntax = dataset.file_meta.TransferSyntaxUID
  try:
    available = get_decoder(syntax).is_available
  except NotImplementedError as error:
    raise RefusedError(f'{syntax.name}: not a format of images that is read') from error
  if not available:
    raise RefusedError(_undecoded(dataset, 'no plugin for it is installed'))
  if dataset.get('SamplesPerPixel') == 3 and dataset.get('PlanarConfiguration') is None:
    dataset.PlanarConfiguration = 0
  return dataset


def _check_inflated(data: bytes) -> None:
  """Raises RefusedError for a deflated file that pydicom would inflate beyond any memory."""
  file = io.BytesIO(data)
  file.seek(132 if data[128:132] == b'DICM' else 0)
  header = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
  if header.get('TransferSyntaxUID') != uid.DeflatedExplicitVRLittleEndian:
    return
  inflate, rest, total = zlib.decompressobj(-zlib.MAX_WBITS), file.read(), 0
  while rest and not inflate.eof:
    total += len(inflate.decompress(rest, _PIECE))
    rest = inflate.unconsumed_tail
    if total > MAX_INFLATED:
      raise RefusedError(f'deflated from more than {MAX_INFLATED:,} bytes, the most that is read')


def _syntax(dataset: Dataset) -> uid.UID:
  """The transfer syntax of a file that names none, by what pydicom has found it to be."""
  if any(dataset[key].is_undefined_length for key in _PIXEL_DATA if key in dataset):
    raise RefusedError('DICOM with no transfer syntax in its header, and compressed')
  implicit, little = dataset.original_encoding
  if implicit:
    return uid.ImplicitVRLittleEndian
  return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _undecoded(dataset: Dataset, why: str) -> str:
  syntax = dataset.file_meta.TransferSyntaxUID
  plugin = (
    'openjpeg' if syntax in uid.JPEG2000TransferSyntaxes or 'HT' in syntax.name else 'libjpeg'
  )
  return f'{syntax.name}: {why}; pip install pylibjpeg pylibjpeg-{plugin} may read it'


def _frames(dataset: Dataset, count: int) -> Iterator[np.ndarray]:
  """Decodes `count` frames: grey or palette `[H, W]` as stored, or RGB `[H, W, 3]`."""
  decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
  # Frame by frame: pydicom's own walk through compressed frames cannot mend their signedness.
  options: dict[str, Any] = {'indices': range(count)}
  rgb = _is_rgb_already(dataset)
  if rgb:
    options |= {'raw': True, 'decoding_plugin': 'pillow'}
  try:
    for frame, about in decoder.iter_array(dataset, **options):
      kind = 'RGB' if rgb else about['photometric_interpretation']
      if kind not in ('MONOCHROME1', 'MONOCHROME2', 'PALETTE COLOR', 'RGB'):
        raise RefusedError(f'colours in {kind}: not known here')
      if frame.ndim != (3 if kind == 'RGB' else 2):
        raise RefusedError(f'{kind} with {about["samples_per_pixel"]} samples a pixel')
      yield frame
  except RuntimeError as error:  # every plugin tried failed, and pydicom lists why line by line
    why = str(error).strip().splitlines()[-1].strip()
    raise RefusedError(_undecoded(dataset, f'not decoded ({why})')) from error


def _is_rgb_already(dataset: Dataset) -> bool:
  """Whether Pillow converts YBR itself, after which pydicom would convert a second time.

  That happens to JPEG whose Adobe marker says that it was transformed.
  """
  if dataset.file_meta.TransferSyntaxUID != uid.JPEGBaseline8Bit:
    return False
  if not str(dataset.PhotometricInterpretation).startswith('YBR'):
    return False
  first = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get('NumberOfFrames') or 1))
  with Image.open(io.BytesIO(first), formats=('JPEG',)) as image:
    return image.info.get('adobe_transform') == 1


def _notes(kind: str) -> tuple[str, ...]:
  known = {'MONOCHROME1': 'MONOCHROME1', 'PALETTE COLOR': 'palette'}
  note = 'YBR' if kind.startswith('YBR') else known.get(kind)
  return (note,) if note else ()


def _colour(dataset: Dataset, frame: np.ndarray) -> np.ndarray:
  """Scales RGB, or looks a palette up: uint8 or uint16 `[H, W, 3]`."""
  if frame.ndim == 2:
    count, _, bits = dataset.RedPaletteColorLookupTableDescriptor
    rgb = apply_color_lut(frame, dataset)[..., :3]  # a fourth channel is alpha
    if rgb.dtype == np.uint8:
      if not 0 < count <= 256:
        raise RefusedError(f'a palette of {count} entries of 8 bits: not known here')
      return rgb
    # Entries of 8 bits may lie in the low byte of 16 alone, PS3.3 C.7.6.3.1.6.
    return rgb.astype(np.uint8) if bits == 8 and rgb.max() <= 255 else rgb
  bits = int(dataset.BitsStored)
  dtype: Any = np.uint8 if bits <= 8 else np.uint16
  white, most = np.iinfo(dtype).max, 2**bits - 1
  if white == most:
    return frame.astype(dtype)
  return np.rint(np.clip(frame / most, 0, 1) * white).astype(dtype)
