"""Shows grey frames of DICOM: from stored values to modality values, and on to 16 bits of grey."""

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from gan_jax.data.ingest.levels import Window, shown
from gan_jax.data.ingest.picture import RefusedError


class _Table(NamedTuple):
  """A lookup table, PS3.3 C.11.1.1; pydicom's wraps 8-bit entries round where there are > 256."""

  first: int
  entries: np.ndarray
  bits: int

  def look_up(self, values: np.ndarray) -> np.ndarray:
    """The entry of each value, which beyond the ends is that of the end."""
    places = np.clip(values.astype(np.float64) - self.first, 0, len(self.entries) - 1)
    return self.entries[np.nan_to_num(places).astype(np.int64)]


def _item(dataset: Dataset, index: int, sequence: str) -> Dataset:
  """Finds where frame `index` is described: in its own group, the shared one, or the dataset."""
  for groups, place in (('PerFrame', index), ('Shared', 0)):
    items = dataset.get(f'{groups}FunctionalGroupsSequence') or ()
    if place < len(items) and items[place].get(sequence):
      return items[place][sequence][0]
  return dataset


def _number(item: Dataset, keyword: str) -> float | None:
  """The value of an element, of several the first; None where it is missing or empty.

  Raises:
    RefusedError: for what is there and no finite number.
  """
  try:
    value = item.get(keyword)
    value = value[0] if isinstance(value, pydicom.multival.MultiValue) and value else value
    number = None if value is None or value == '' else float(value)
  except (ValueError, TypeError, OverflowError) as error:
    raise RefusedError(f'{keyword} is no number') from error
  if number is not None and not math.isfinite(number):
    raise RefusedError(f'{keyword} is {number}')
  return number


def _table(item: Dataset, dataset: Dataset, least: float) -> _Table:
  """Reads a lookup table whose input is nowhere below `least`."""
  little = dataset.file_meta.TransferSyntaxUID.is_little_endian
  order, descriptor, entries = '<' if little else '>', item.LUTDescriptor, item.LUTData
  if isinstance(descriptor, bytes):  # of a VR that is not known, or the wrong one
    descriptor = np.frombuffer(descriptor, order + 'u2')
  count, first, bits = (int(value) % 2**16 for value in descriptor)
  count = count or 2**16
  # It is signed where its input is, PS3.3 C.11.2.1.1, but not always written so.
  if first >= 2**15 and first - 2**16 + count > least:
    first -= 2**16
  if isinstance(entries, bytes):
    narrow = bits <= 8 and count <= len(entries) < 2 * count
    entries = np.frombuffer(entries, 'u1' if narrow else order + 'u2')
  table = np.atleast_1d(np.asarray(entries)).astype(np.uint16)[:count]
  if len(table) < count:
    raise RefusedError(f'a lookup table of {len(table)} of its {count} entries')
  return _Table(first, table, bits)


def _stored_range(dataset: Dataset) -> tuple[float, float]:
  """The least and greatest value that a pixel may have as stored."""
  bits = int(dataset.get('BitsStored') or dataset.BitsAllocated)
  if dataset.get('PixelRepresentation'):
    return -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1
  return 0, 2.0**bits - 1


class _Modality(NamedTuple):
  """From stored values to modality values, float64, and the least of them that may come out."""

  change: Callable[[np.ndarray], np.ndarray]
  least: float


def _modality(dataset: Dataset, index: int) -> _Modality:
  stored = _stored_range(dataset)
  if tables := dataset.get('ModalityLUTSequence'):
    table = _table(tables[0], dataset, stored[0])
    return _Modality(lambda x: table.look_up(x).astype(np.float64), 0)
  item = _item(dataset, index, 'PixelValueTransformationSequence')
  unit = _number(dataset, 'DoseGridScaling') or 1.0
  slope, intercept = _number(item, 'RescaleSlope'), unit * (_number(item, 'RescaleIntercept') or 0)
  slope = unit if slope is None else unit * slope
  least = min(slope * end + intercept for end in stored)
  return _Modality(lambda x: x.astype(np.float64) * slope + intercept, least)


def _padding(dataset: Dataset, dtype: np.dtype) -> tuple[Any, Any] | None:
  """The range of stored values that are no part of the image, PS3.3 C.7.5.1.1.2; mostly of one."""
  kind = '' if dtype.kind != 'f' else 'Float' if dtype.itemsize == 4 else 'Double'
  ends = [_number(dataset, f'{kind}PixelPadding{end}') for end in ('Value', 'RangeLimit')]
  found = [end for end in ends if end is not None]
  if ends[0] is None:
    return None
  if not kind:  # signed where pixels are, but not always written so
    span = 2 ** (8 * dtype.itemsize)
    found = [int(end) % span for end in found]
    found = [end - span if dtype.kind == 'i' and end >= span // 2 else end for end in found]
  return min(found), max(found)


def _view(
  dataset: Dataset, index: int, window: tuple[float, float] | None, modality: _Modality
) -> Window | _Table | None:
  """Returns how frame `index` is to be shown, None where neither user nor file says."""
  item = _item(dataset, index, 'FrameVOILUTSequence')
  function = str(item.get('VOILUTFunction') or 'LINEAR').strip().upper()
  if function not in ('LINEAR', 'LINEAR_EXACT', 'SIGMOID'):
    raise RefusedError(f'VOI LUT function {function}: not known here')
  if window is not None:
    return Window(*window, function)
  tables = dataset.get('VOILUTSequence')
  if tables and 'LUTDescriptor' in tables[0] and 'LUTData' in tables[0]:
    return _table(tables[0], dataset, modality.least)
  with contextlib.suppress(RefusedError):  # a window that is no number is none
    centre, width = _number(item, 'WindowCenter'), _number(item, 'WindowWidth')
    if centre is not None and width is not None and width > 0:
      return Window(centre, width, function)
  return None


def all_windowed(dataset: Dataset, count: int, window: tuple[float, float] | None) -> bool:
  """Whether each of `count` frames says how it is to be shown, or the user does."""
  described = len(dataset.get('PerFrameFunctionalGroupsSequence') or ())
  frames = range(min(count, described + 1))  # those beyond are all like the first of them
  views = (_view(dataset, index, window, _modality(dataset, index)) for index in frames)
  return all(view is not None for view in views)


def limits(dataset: Dataset, frames: Iterable[np.ndarray]) -> tuple[float, float]:
  """Finds the least and greatest finite modality value of all frames but for their padding."""
  least, greatest = np.inf, -np.inf
  for index, frame in enumerate(frames):
    padding = _padding(dataset, frame.dtype)
    stored = frame[np.isfinite(frame) & ~_is_within(frame, padding)]
    if stored.size:
      # Whatever makes modality values of them, its ends are at their ends, tables apart.
      modality = _modality(dataset, index).change
      values = modality(np.unique(stored) if 'ModalityLUTSequence' in dataset else _ends(stored))
      least, greatest = min(least, values.min()), max(greatest, values.max())
  return float(least), float(greatest)


def _ends(values: np.ndarray) -> np.ndarray:
  return np.array([values.min(), values.max()])


def _is_within(values: np.ndarray, ends: tuple[Any, Any] | None) -> np.ndarray:
  if ends is None:
    return np.zeros(values.shape, bool)
  return (values >= ends[0]) & (values <= ends[1])


def grey(
  dataset: Dataset,
  index: int,
  frame: np.ndarray,
  window: tuple[float, float] | None,
  black_and_white: tuple[float, float] | None,
) -> np.ndarray:
  """Shows one frame.

  Args:
    dataset: that it is of.
    index: of the frame there.
    frame: `[H, W]`, as stored.
    window: (centre, width) that the user asks for.
    black_and_white: modality values that are so where neither window nor file says.

  Returns:
    uint16 `[H, W, 1]`, black where there is no number.
  """
  modality = _modality(dataset, index)
  view = _view(dataset, index, window, modality)
  padding = _padding(dataset, frame.dtype)
  black, white = black_and_white or (0.0, 0.0)
  if view is None and not black < white:
    return np.zeros((*frame.shape, 1), np.uint16)

  def levels(stored: np.ndarray) -> np.ndarray:
    values = modality.change(stored)
    if isinstance(view, _Table):
      found = view.look_up(values) / (2**view.bits - 1)
    elif view is not None:
      found = view.levels(values)
    else:
      found = (values - black) / (white - black)
    if dataset.PhotometricInterpretation == 'MONOCHROME1':
      found = 1 - found
    return np.where(_is_within(stored, padding), np.nan, found)

  return shown(levels, frame)[..., None]
