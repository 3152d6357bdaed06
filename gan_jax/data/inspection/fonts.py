"""Fonts of this machine that have the letters of a text: class names come in any script."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any


def families(texts: Iterable[str]) -> tuple[list[str], str]:
  """Families for matplotlib to take letters from, in order, and the letters that none has.

  Args:
    texts: to be drawn.

  Returns:
    matplotlib's own family first, then as few others as cover what it lacks; and what is left.
  """
  from matplotlib import font_manager  # takes a second to import

  found = ['DejaVu Sans']
  own = font_manager.get_font(font_manager.findfont('DejaVu Sans'))
  letters = {c for text in texts for c in text if c.isprintable()}
  missing = {c for c in letters if not own.get_char_index(ord(c))}
  for entry in font_manager.fontManager.ttflist:
    if not missing:
      break
    if entry.name.startswith('Last Resort'):  # has a box for every letter
      continue
    try:
      font = font_manager.get_font(entry.fname)
    except (OSError, RuntimeError):  # removed since, or of a kind that FreeType does not read
      continue
    has = {c for c in missing if font.get_char_index(ord(c))}
    if has and entry.name not in found:
      found.append(entry.name)
      missing -= has
  return found, ''.join(sorted(missing))


@contextlib.contextmanager
def drawing(texts: Iterable[str]) -> Iterator[str]:
  """Has matplotlib draw names as they are: letters of any script, and $ is no formula.

  Yields:
    The letters that no font here has: they are boxes.
  """
  import matplotlib as mpl

  found, missing = families(texts)
  told: Any = {'font.family': found, 'text.parse_math': False}
  with warnings.catch_warnings(), mpl.rc_context(told):
    warnings.filterwarnings('ignore', 'Glyph')
    yield missing
