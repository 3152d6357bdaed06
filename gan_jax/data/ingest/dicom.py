"""Reads DICOM files: one picture a frame, grey at full depth or colour as RGB."""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_rescale, get_decoder
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGBaseline8Bit

from gan_jax.data.ingest.picture import Picture, RefusedError

MAX_PIXELS = 2**28  # of a frame: a header may claim any size, and memory is taken on its word
_PIXEL_DATA = ('PixelData', 'FloatPixelData', 'DoubleFloatPixelData')

# It logs the traceback of every plugin that fails; what matters of it is in the refusal.
logging.getLogger('pydicom').setLevel(logging.CRITICAL)


class _Window(NamedTuple):
  """Which values are shown from black to white, PS3.3 C.11.2.1.2 and C.11.2.1.3."""

  centre: float
  width: float
  function: str

  def __call__(self, values: np.ndarray) -> np.ndarray:
    """Maps modality values to 0 (black) .. 1 (white), float64."""
    centre, width = self.centre, self.width
    if self.function == 'SIGMOID':
      return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if self.function == 'LINEAR' and width >= 1:  # undefined below 1: exact is what can be meant
      centre, width = centre - 0.5, width - 1
    if width == 0:
      return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0, 1)


class _Table(NamedTuple):
  """A lookup table, PS3.3 C.11.1.1; pydicom's wraps 8-bit entries round where there are > 256."""

  first: int
  entries: np.ndarray
  bits: int

  def __call__(self, values: np.ndarray) -> np.ndarray:
    places = np.clip(values.astype(np.float64) - self.first, 0, len(self.entries) - 1)
    return self.entries[np.nan_to_num(places).astype(np.int64)]


def is_dicom(data: bytes) -> bool:
  """Whether a file begins as DICOM files do: 'DICM' after a preamble of 128 bytes."""
  return data[128:132] == b'DICM'


def read(name: str, data: bytes, window: tuple[float, float] | None = None) -> Iterator[Picture]:
  """Yields the frames of a DICOM file, decoded one at a time.

  Grey frames become uint16 `[H, W, 1]` over 0..65535, more being brighter: stored values are
  rescaled to modality values (Hounsfield units, Gy ..), then windowed. Colour frames become RGB
  `[H, W, 3]`, uint8 up to 8 bits stored and uint16 beyond.

  The group is a digest of the patient's id, or else of the study's UID. Slices of one patient are
  near copies of each other: on both sides of a split they would make the held-out side look learnt.
  No other element of the header is carried on.

  Args:
    name: of the file; frames of a file of several are `name#0000`, `name#0001` ...
    data: the whole file.
    window: (centre, width > 0) in modality values, applied by the file's function (LINEAR where it
      names none). None: the file's own first table or window; where it has none, black and white
      are the least and greatest value of all its frames, and a note says so.

  Raises:
    RefusedError: for a file that cannot be read; later frames may be refused after the first.
  """
  with _refusals():
    dataset = _open(data)
    count = int(dataset.get('NumberOfFrames') or 1)
    group = _group(dataset)
    kind = str(dataset.get('PhotometricInterpretation') or '')
    grey = kind.startswith('MONOCHROME')
    notes, limits = _notes(kind), None
    if grey and not _all_windowed(dataset, count, window):
      limits = _limits(dataset, count)
      notes = (*notes, 'no window: full range')
  frames = _frames(dataset, count)
  for index in range(count):
    with _refusals():
      frame = next(frames)
      pixels = _grey(dataset, index, frame, window, limits) if grey else _colour(dataset, frame)
      part = f'{name}#{index:04d}' if count > 1 else name
    yield Picture(part, pixels, notes, group)


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


def _group(dataset: Dataset) -> str:
  """A digest of the patient's id, or else of the study's: equal ids are told, but not which."""
  for kind, key in (('patient', 'PatientID'), ('study', 'StudyInstanceUID')):
    if value := str(dataset.get(key) or '').strip():
      return f'{kind}-{hashlib.sha256(value.encode()).hexdigest()[:12]}'
  return ''


def _open(data: bytes) -> Dataset:
  """Parses a file and checks that it claims pixels that can be decoded."""
  try:
    dataset = pydicom.dcmread(io.BytesIO(data))
  except InvalidDicomError as error:
    raise RefusedError('not DICOM') from error
  if not any(keyword in dataset for keyword in _PIXEL_DATA):
    raise RefusedError('no pixel data')
  rows, columns = int(dataset.get('Rows') or 0), int(dataset.get('Columns') or 0)
  if rows * columns > MAX_PIXELS:
    raise RefusedError(f'frames of {columns} x {rows} pixels; at most {MAX_PIXELS} are read')
  syntax = dataset.file_meta.get('TransferSyntaxUID')
  if syntax is None:
    raise RefusedError('no transfer syntax in its header')
  try:
    available = get_decoder(syntax).is_available
  except NotImplementedError as error:
    raise RefusedError(f'{syntax.name}: not a format of images that is read') from error
  if not available:
    raise RefusedError(_undecoded(dataset, 'no plugin for it is installed'))
  return dataset


def _undecoded(dataset: Dataset, why: str) -> str:
  syntax = dataset.file_meta.TransferSyntaxUID
  plugin = 'openjpeg' if syntax in JPEG2000TransferSyntaxes or 'HT' in syntax.name else 'libjpeg'
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
  if dataset.file_meta.TransferSyntaxUID != JPEGBaseline8Bit:
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


def _item(dataset: Dataset, index: int, sequence: str) -> Dataset:
  """Finds where frame `index` is described: in its own group, the shared one, or the dataset."""
  for groups, place in (('PerFrame', index), ('Shared', 0)):
    items = dataset.get(f'{groups}FunctionalGroupsSequence') or ()
    if place < len(items) and items[place].get(sequence):
      return items[place][sequence][0]
  return dataset


def _table(item: Dataset, dataset: Dataset) -> _Table:
  count, first, bits = (int(value) for value in item.LUTDescriptor)
  entries = item.LUTData
  if isinstance(entries, bytes):
    order = '<' if dataset.file_meta.TransferSyntaxUID.is_little_endian else '>'
    entries = np.frombuffer(entries, order + 'u2')
  table = np.atleast_1d(np.asarray(entries, np.uint16))[: count or 2**16]
  if len(table) < (count or 2**16):
    raise RefusedError(f'a lookup table of {len(table)} of its {count or 2**16} entries')
  return _Table(first, table, bits)


def _values(dataset: Dataset, index: int, frame: np.ndarray) -> np.ndarray:
  """Turns stored values into modality values, float64 `[H, W]`."""
  if tables := dataset.get('ModalityLUTSequence'):
    return _table(tables[0], dataset)(frame).astype(np.float64)
  values = apply_rescale(frame, _item(dataset, index, 'PixelValueTransformationSequence'))
  return values.astype(np.float64) * float(dataset.get('DoseGridScaling') or 1)


def _first(value: Any) -> Any:
  return value[0] if isinstance(value, pydicom.multival.MultiValue) and value else value


def _shown(
  dataset: Dataset, index: int, window: tuple[float, float] | None
) -> _Window | _Table | None:
  """Returns how frame `index` is to be shown, None where neither user nor file says."""
  item = _item(dataset, index, 'FrameVOILUTSequence')
  function = str(item.get('VOILUTFunction') or 'LINEAR')
  if function not in ('LINEAR', 'LINEAR_EXACT', 'SIGMOID'):
    raise RefusedError(f'VOI LUT function {function}: not known here')
  if window is not None:
    return _Window(*window, function)
  tables = dataset.get('VOILUTSequence')
  if tables and 'LUTDescriptor' in tables[0] and 'LUTData' in tables[0]:
    return _table(tables[0], dataset)
  centre, width = _first(item.get('WindowCenter')), _first(item.get('WindowWidth'))
  if centre is None or width is None or not float(width) > 0:
    return None
  return _Window(float(centre), float(width), function)


def _all_windowed(dataset: Dataset, count: int, window: tuple[float, float] | None) -> bool:
  described = len(dataset.get('PerFrameFunctionalGroupsSequence') or ())
  frames = range(min(count, described + 1))  # those beyond are all like the first of them
  return all(_shown(dataset, index, window) is not None for index in frames)


def _limits(dataset: Dataset, count: int) -> tuple[float, float]:
  """Finds the least and greatest finite modality value of all frames."""
  least, greatest = np.inf, -np.inf
  for index, frame in enumerate(_frames(dataset, count)):
    values = _values(dataset, index, frame)
    values = values[np.isfinite(values)]
    least, greatest = values.min(initial=least), values.max(initial=greatest)
  return float(least), float(greatest)


def _grey(
  dataset: Dataset,
  index: int,
  frame: np.ndarray,
  window: tuple[float, float] | None,
  limits: tuple[float, float] | None,
) -> np.ndarray:
  """Shows one frame, `[H, W]` as stored: uint16 `[H, W, 1]`, black where it is not a number."""
  values = _values(dataset, index, frame)
  shown = _shown(dataset, index, window)
  if isinstance(shown, _Table):
    levels = shown(values) / (2**shown.bits - 1)
  elif shown is not None:
    levels = shown(values)
  else:
    assert limits is not None  # `read` found them, as this frame has no window
    least, greatest = limits
    if not least < greatest:
      return np.zeros((*frame.shape, 1), np.uint16)
    levels = (values - least) / (greatest - least)
  if dataset.PhotometricInterpretation == 'MONOCHROME1':
    levels = 1 - levels
  levels = np.nan_to_num(np.clip(levels, 0, 1), nan=0)
  return np.rint(levels * 65535).astype(np.uint16)[..., None]


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
