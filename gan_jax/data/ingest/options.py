"""What a user asks of a preparation, and how it is read from the command line."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from gan_jax.data.ingest import fit
from gan_jax.data.ingest.decode import Medical
from gan_jax.data.ingest.image import MAX_PIXELS
from gan_jax.errors import UserError, nearest

AXES = {'sagittal': 0, 'coronal': 1, 'axial': 2}
_AUTO = 'auto'  # of --channels: what holds all images


class Options(NamedTuple):
  """What a user asks of a preparation.

  Attributes:
    source: folder, archive, array, single file, or `tfds:NAME`.
    name: of the dataset.
    data_dir: where it is put.
    size: (height, width), pixels; None: as the images are, which then have to be of one size.
    fit: of `fit.FITS`.
    kind: of `fit.KINDS`; '': what holds all images.
    labels: 'folders', a label file, or '': only those that the source itself knows.
    label: column of the label file, or of the source's own table, that holds the class.
    name_column: column of the label file that names the image; '': the first of the usual names.
    group: column of the label file, or regular expression over names.
    split: share of each split; None: the source's own, or 90 % `train` and 10 % `test`.
    medical: how DICOM and NIfTI are read.
    licence: text for the metadata.
    description: likewise.
    not_for: what the images, and models of them, may not be used for.
    strict: refuse the whole where one file is refused.
    overwrite: replace a dataset of that name.
    follow_links: take what symbolic links in a folder lead to.
  """

  source: str
  name: str
  data_dir: str
  size: tuple[int, int] | None = None
  fit: str = 'crop'
  kind: str = ''
  labels: str = ''
  label: str = ''
  name_column: str = ''
  group: str = ''
  split: Mapping[str, float] | None = None
  medical: Medical = Medical()
  licence: str = ''
  description: str = ''
  not_for: str = ''
  strict: bool = False
  overwrite: bool = False
  follow_links: bool = False


def size(resolution: int | None, text: str) -> tuple[int, int] | None:
  """Reads `--resolution=64` or `--size=96x64` (width x height) as (height, width)."""
  if resolution is not None and text:
    raise UserError(f'--resolution={resolution} and --size={text}: give one of them')
  most = f'at most {MAX_PIXELS:,} pixels in all'
  if resolution is not None:
    if resolution < 1 or resolution**2 > MAX_PIXELS:
      raise UserError(f'--resolution={resolution}: accepted: pixels, such as 64; {most}')
    return resolution, resolution
  if not text:
    return None
  match = re.fullmatch(r'(\d{1,9})x(\d{1,9})', text)
  width, height = map(int, match.groups()) if match else (0, 0)
  if not 0 < width * height <= MAX_PIXELS:
    raise UserError(f'--size={text}: accepted: WIDTHxHEIGHT in pixels, such as 96x64; {most}')
  return height, width


def kind(channels: str) -> str:
  """Reads `--channels`; '' stands for what holds all images."""
  if channels not in (_AUTO, *fit.KINDS):
    raise UserError(f'--channels={channels}: {nearest(channels, (_AUTO, *fit.KINDS))}')
  return '' if channels == _AUTO else channels


def check_fit(how: str) -> str:
  """Reads `--fit`."""
  if how not in fit.FITS:
    raise UserError(f'--fit={how}: {nearest(how, fit.FITS)}')
  return how


def shares(text: str) -> dict[str, float] | None:
  """Reads `--split=train:0.8,validation:0.1,test:0.1`; '' is None."""
  if not text:
    return None
  found: dict[str, float] = {}
  for part in text.split(','):
    match = re.fullmatch(r'\s*([a-z][a-z0-9_]*):(\d*\.?\d+)\s*', part)
    if match is None or match[1] in found:
      raise UserError(f'--split={text}: accepted: NAME:SHARE,..., such as train:0.9,test:0.1')
    if match[1] == 'all':  # TFDS's name for all splits together
      raise UserError(f'--split={text}: all is no name of a split; accepted: NAME:SHARE,...')
    found[match[1]] = float(match[2])
  if abs(sum(found.values()) - 1) > 1e-6 or min(found.values()) <= 0:
    raise UserError(
      f'--split={text}: shares must be positive and sum to 1; they sum to {sum(found.values()):g}'
    )
  return found


def medical(window: str, axis: str, slices: str, percentiles: str, bits: int = 16) -> Medical:
  """Reads `--window=40,400 --axis=axial --slices=20:140 --percentiles=0.5,99.5 --bits=12`."""
  if axis not in AXES:
    raise UserError(f'--axis={axis}: {nearest(axis, AXES)}')
  if not 8 < bits <= 16:
    raise UserError(f'--bits={bits}: accepted: 9 to 16')
  chosen = Medical(axis=AXES[axis], bits=bits)
  if window:
    centre, width = _pair('--window', window, 'CENTRE,WIDTH, such as 40,400')
    if width <= 0:
      raise UserError(f'--window={window}: the width must be positive')
    chosen = chosen._replace(window=(centre, width))
  if slices:
    match = re.fullmatch(r'(\d*):(\d*)', slices)
    if match is None:
      raise UserError(f'--slices={slices}: accepted: FIRST:END, such as 20:140')
    first, end = (int(part) if part else None for part in match.groups())
    if end is not None and end <= (first or 0):
      raise UserError(f'--slices={slices}: holds no slice; accepted: FIRST:END, such as 20:140')
    chosen = chosen._replace(slices=(first, end))
  if percentiles:
    low, high = _pair('--percentiles', percentiles, 'LOW,HIGH, such as 0.5,99.5')
    if not 0 <= low < high <= 100:
      raise UserError(f'--percentiles={percentiles}: accepted: two rising numbers from 0 to 100')
    chosen = chosen._replace(percentiles=(low, high))
  return chosen


def _pair(flag: str, text: str, accepted: str) -> tuple[float, float]:
  try:
    first, second = (float(part) for part in text.split(','))
  except ValueError as error:
    raise UserError(f'{flag}={text}: accepted: {accepted}') from error
  if not (math.isfinite(first) and math.isfinite(second)):
    raise UserError(f'{flag}={text}: accepted: {accepted}')
  return first, second
