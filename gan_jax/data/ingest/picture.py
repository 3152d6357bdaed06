"""What a reader of any format makes of a file: images, or the reason why not."""

from typing import NamedTuple

import numpy as np


class Picture(NamedTuple):
  """One image of a source, decoded.

  Attributes:
    name: where it is in the source; a part of a file is `file#part`.
    pixels: `[H, W, C]`, uint8 or uint16, C of 1 (grey), 3 (RGB) or 4 (RGBA).
    notes: what had to be converted, in a word or two each, such as `palette`.
    group: what it must not be parted from by a split, such as a patient; '': nothing is known.
    medical: it is of a format of medicine, where left and right are not the same.
    modality: of such a format, as DICOM has it, such as MR; '': it does not say.
    png: the pixels as PNG, where the file has them so; b'': they are still to be encoded.
  """

  name: str
  pixels: np.ndarray
  notes: tuple[str, ...] = ()
  group: str = ''
  medical: bool = False
  modality: str = ''
  png: bytes = b''


class RefusedError(ValueError):
  """A file that cannot become an image; the message is the reason, not the file."""


def first_line(error: Exception) -> str:
  """What an error says, on one line and short."""
  lines = str(error).strip().splitlines() or [type(error).__name__]
  return lines[0][:120]
