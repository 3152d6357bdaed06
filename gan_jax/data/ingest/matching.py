"""Finds the image that a row of a label file names."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from gan_jax.data.ingest import layout

_ROOT = re.compile(r'([A-Za-z]:)?/+|(\./)+')  # what an absolute path begins with, or one from here


class _Match(NamedTuple):
  """The image of a row, how many last parts of their paths are the same, and whether that is all.

  Without an image, `reason` says why.
  """

  image: str
  tail: int = 0
  whole: bool = True
  reason: str = ''


class Names:
  """Finds the images that rows name, by the longest tail of their paths.

  A row names an image by its whole path, by the end of it, or by a longer path that ends in it, as
  absolute ones do; with the image's ending or without. Folders around all images, or around all
  rows, need not be the same. Where several images fit a row alike, or several rows an image, there
  is none.
  """

  def __init__(self, names: Sequence[str]):
    """Takes the paths of all images."""
    self._known = set(names)
    self._by_last: dict[str, list[tuple[str, ...]]] = {}
    self._by_stem: dict[str, list[tuple[str, ...]]] = {}
    self._around = _around([tuple(name.split('/')) for name in names])
    for name in names:
      parts = tuple(name.split('/'))
      self._by_last.setdefault(parts[-1], []).append(parts)
      self._by_stem.setdefault(parts[-1].rsplit('.', 1)[0], []).append(parts)

  def find(self, rows: Sequence[str], folder: str = '') -> list[tuple[str, str]]:
    """The image that each row names, or the name as it is and why it is of none.

    Args:
      rows: all names of a label file.
      folder: of the source, in which the label file lies.
    """
    paths = {row: _normal(row) for row in dict.fromkeys(rows)}
    around = _around([tuple(path.split('/')) for path in paths.values()])
    matches = {row: self._match(row, path, folder, around) for row, path in paths.items()}
    longest: dict[str, int] = {}
    rivals: dict[tuple[str, int], set[str]] = {}
    for row, match in matches.items():
      longest[match.image] = max(longest.get(match.image, 0), match.tail)
      rivals.setdefault((match.image, match.tail), set()).add(paths[row])
    found: dict[str, tuple[str, str]] = {}
    for row, match in matches.items():
      if not match.image:
        found[row] = paths[row], match.reason
      elif match.whole:
        found[row] = match.image, ''
      elif match.tail < longest[match.image] or len(rivals[match.image, match.tail]) > 1:
        found[row] = paths[row], f'no image is called so; the nearest is {match.image}'
      else:
        found[row] = match.image, ''
    return [found[row] for row in rows]

  def _match(self, raw: str, name: str, folder: str, around: int) -> _Match:
    exact = unicodedata.normalize('NFC', raw)
    for candidate in (f'{folder}/{name}' if folder else exact, exact, name):
      if candidate in self._known:
        return _Match(candidate)
    match = self._by_tail(tuple(name.split('/')), around)
    if not match.image and '#' in name:  # a part of a file
      file, _, part = name.rpartition('#')
      whole = self._match(file, file, folder, around)
      if whole.image:
        return whole._replace(image=f'{whole.image}#{part}')
    return match

  def _by_tail(self, path: tuple[str, ...], around: int) -> _Match:
    """The image whose path has the longest tail in common with another, below the folders around.

    Args:
      path: of the row.
      around: how many folders all rows have in common.
    """
    candidates = self._by_last.get(path[-1]) or self._by_stem.get(path[-1]) or []
    if not candidates:
      return _Match('', reason='no image is called so')
    tails = [_common_tail(path, parts) for parts in candidates]
    tail = max(tails)
    best = [parts for parts, its in zip(candidates, tails, strict=True) if its == tail]
    best = [parts for parts in best if len(parts) == tail] or best
    first = '/'.join(best[0])
    if len(best) > 1 and tail < len(path):
      return _Match('', reason=f'no image is called so; {len(best):,} end alike, such as {first}')
    if len(best) > 1:
      shown = f'{first}, {"/".join(best[1])}{", ..." if len(best) > 2 else ""}'
      return _Match('', reason=f'may be any of {len(best):,} images: {shown}')
    if tail >= min(len(best[0]) - self._around, len(path) - around):
      return _Match(first, tail, tail in (len(path), len(best[0])))
    return _Match('', reason=f'no image is called so; the nearest is {first}')


def _around(paths: Sequence[tuple[str, ...]]) -> int:
  """How many folders all paths have in common."""
  return len(layout.common([path[:-1] for path in paths]))


def _normal(raw: str) -> str:
  """A path as it is compared: from no root, with `/`."""
  name = unicodedata.normalize('NFC', raw).strip().replace('\\', '/')
  name = _ROOT.sub('', name, count=1) if _ROOT.match(name) else name
  return '/'.join(part for part in name.split('/') if part)


def _common_tail(path: tuple[str, ...], other: tuple[str, ...]) -> int:
  """How many last parts are the same; the very last ones are."""
  folders = zip(path[-2::-1], other[-2::-1], strict=False)
  count = 1
  for a, b in folders:
    if a != b:
      break
    count += 1
  return count
