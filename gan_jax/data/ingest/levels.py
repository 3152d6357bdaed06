"""From measured values, such as Hounsfield units, to levels from black to white."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.ingest.picture import RefusedError

WHITE = 65535
_AT_ONCE = 2**20  # pixels computed with at a time: float64 takes four times what is kept of them
MEND = '; --window=CENTRE,WIDTH of `prepare` says what is black and white'


class Window(NamedTuple):
  """Which values are shown from black to white, PS3.3 C.11.2.1.2 and C.11.2.1.3."""

  centre: float
  width: float
  function: str = 'LINEAR'

  def levels(self, values: np.ndarray) -> np.ndarray:
    """Maps values to 0 (black) .. 1 (white), float64."""
    centre, width = self.centre, self.width
    if self.function == 'SIGMOID':
      return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if self.function == 'LINEAR' and width >= 1:  # undefined below 1: exact is what can be meant
      centre, width = centre - 0.5, width - 1
    if width == 0:
      return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def shown(
  levels: Callable[[np.ndarray], np.ndarray], values: np.ndarray, top: int = WHITE
) -> np.ndarray:
  """Applies `levels`, which maps values to 0..1, some rows at a time.

  Args:
    levels: of an array `[h, W, ...]`.
    values: `[H, W, ...]`.
    top: what stands for 1: 255 or 65535.

  Returns:
    The shape of `values`, uint8 or uint16 by `top`; 0 where a level is not a number.
  """
  pixels = np.empty(values.shape, np.uint8 if top == 255 else np.uint16)
  rows = max(1, _AT_ONCE // max(1, values[:1].size))
  with np.errstate(all='ignore'):  # of what is not a number, or far outside of a window
    for start in range(0, len(values), rows):
      found = np.nan_to_num(np.clip(levels(values[start : start + rows]), 0, 1), nan=0)
      pixels[start : start + rows] = np.rint(found * top)
  return pixels


def of_floats(values: np.ndarray, top: int, mend: str = '') -> np.ndarray:
  """Spreads floats from 0 to 1 over 0..`top`, as `shown` does.

  Raises:
    RefusedError: for values that are no such levels.
  """
  if not np.isfinite(values).all():
    raise RefusedError(f'holds NaN or infinite values{mend}')
  if values.min() < 0 or values.max() > 1:
    raise RefusedError(
      f'floats from {values.min():g} to {values.max():g}; accepted: from 0 to 1{mend}'
    )
  return shown(lambda some: some.astype(np.float64), values, top)


def of_grey(
  values: np.ndarray, window: tuple[float, float] | None, inverted: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
  """Shows numbers of any type, as arrays and images of instruments hold them.

  Unsigned integers of 8 and 16 bits are levels already. To all others the window is applied that is
  asked for; without one, floats from 0 to 1 and integers from 0 to 65,535 are levels.

  Args:
    values: `[H, W]`.
    window: (centre, width), as of DICOM.
    inverted: the least value is white.

  Returns:
    Pixels `[H, W, 1]`, uint8 or uint16, and notes of what was done.

  Raises:
    RefusedError: for values of which nothing says what is black and white.
  """
  notes: tuple[str, ...] = ()
  top: Any = WHITE
  if values.dtype.kind == 'u' and values.dtype.itemsize <= 2:
    pixels = values.astype(values.dtype.newbyteorder('='))
    top = np.iinfo(pixels.dtype).max
  elif window is not None:
    pixels, notes = shown(Window(*window).levels, values), ('window',)
  elif values.dtype.kind == 'f':
    pixels, notes = of_floats(values, WHITE, MEND), ('floats',)
  else:
    least, greatest = int(values.min()), int(values.max())
    if least < 0 or greatest > WHITE:
      raise RefusedError(
        f'integers from {least:,} to {greatest:,}; accepted: from 0 to {WHITE:,}{MEND}'
      )
    pixels = values.astype(np.uint16)
  if inverted:
    pixels, notes = pixels.dtype.type(top) - pixels, (*notes, 'white is zero')
  return pixels[..., None], notes
