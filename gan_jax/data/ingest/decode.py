"""Reads one file of any accepted format into pictures."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.data.ingest import dicom, image, levels, nifti
from gan_jax.data.ingest.picture import Picture, RefusedError

_LEVELS = ('floats', 'window')  # notes of pictures that fill all 16 bits already


class Medical(NamedTuple):
  """How DICOM, NIfTI and other images of instruments are read.

  Attributes:
    window: (centre, width) for DICOM and for values that are no levels; see `dicom.read` and
      `levels.of_grey`.
    axis: see `nifti.read`, as for the next two.
    slices: likewise.
    percentiles: likewise.
    bits: how many of the 16 of a grey image of another format are used: a detector may give 12.
  """

  window: tuple[float, float] | None = None
  axis: int = 2
  slices: tuple[int | None, int | None] = (None, None)
  percentiles: tuple[float, float] = (0.5, 99.5)
  bits: int = 16


def read(
  name: str, data: bytes | np.ndarray, medical: Medical, salt: bytes = dicom.SALT
) -> Iterator[Picture]:
  """Yields the pictures of a file: one, or one a frame or slice.

  The format is told by what the file holds, never by its name, except for some of volumes.

  Args:
    name: of the file in its source.
    data: the file, or an array `[H, W, C]` of uint8, uint16 or floats from 0 to 1, or, of one
      channel and with a window, of other numbers.
    medical: how DICOM and NIfTI are read.
    salt: see `dicom.read`.

  Raises:
    RefusedError: where it cannot be read, with the reason.
  """
  if isinstance(data, np.ndarray):
    yield _of_bits(_of_array(name, data, medical.window), medical.bits)
  elif not data:
    raise RefusedError('an empty file')
  elif dicom.is_dicom(data):
    yield from map(_settled, dicom.read(name, data, medical.window, salt))
  elif nifti.is_volume(name, data):
    volume = nifti.read(
      name, data, axis=medical.axis, slices=medical.slices, percentiles=medical.percentiles
    )
    yield from map(_settled, volume)
  else:
    yield _of_bits(image.read(name, data, medical.window), medical.bits)


def _settled(picture: Picture) -> Picture:
  pixels, notes = image.settled(picture.pixels)
  return picture._replace(pixels=pixels, notes=(*picture.notes, *notes))


def _of_bits(picture: Picture, bits: int) -> Picture:
  """Spreads grey that uses some of its 16 bits over all of them."""
  if picture.pixels.dtype != np.uint16 or bits == 16 or set(_LEVELS) & set(picture.notes):
    return picture
  top, found = (1 << bits) - 1, int(picture.pixels.max())
  if found > top:
    raise RefusedError(f'has a value of {found:,}, which {bits} bits do not hold')
  pixels = levels.shown(lambda some: some / top, picture.pixels)
  return picture._replace(pixels=pixels, notes=(*picture.notes, f'{bits} bits to 16'))


def _of_array(name: str, values: np.ndarray, window: tuple[float, float] | None) -> Picture:
  kind, grey = values.dtype.kind, values.shape[-1] == 1
  stored = kind == 'u' and values.dtype.itemsize <= 2
  if grey and (stored or kind == 'f' or (kind in 'iu' and window)):
    return Picture(name, *levels.of_grey(values[..., 0], window))
  if kind == 'f':  # a screen shows no more of colour than 8 bits
    return _settled(Picture(name, levels.of_floats(values, 255), ('floats',)))
  if not stored:
    raise RefusedError(
      f'of type {values.dtype}; accepted: uint8, uint16, floats from 0 to 1'
      f'{levels.MEND if grey and kind in "iu" else ""}'
    )
  return _settled(Picture(name, values.astype(values.dtype.newbyteorder('='))))
