"""What folders say: which are splits, which hold all others, and which are classes."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

# Words for a split in the name of a folder, and the split that they are.
_SPLITS = {
  'train': 'train',
  'training': 'train',
  'val': 'validation',
  'valid': 'validation',
  'validation': 'validation',
  'dev': 'validation',
  'test': 'test',
  'testing': 'test',
  'eval': 'test',
  'evaluation': 'test',
}
_NO_WORDS = ('of',)  # as in train-00000-of-00002
_WORDS = re.compile(r'[^\W\d_]+')
_HUMP = re.compile(r'(?<=[a-z])(?=[A-Z])')  # as in TrainImages


class Place(NamedTuple):
  """Where a file lies.

  Attributes:
    split: of the folder of a split that it lies in, or ''.
    path: its path below the folders that hold all files, without those of splits.
    beside: it lies outside of the folders of splits that most others lie in.
  """

  split: str
  path: str
  beside: bool = False


def split_of(name: str) -> tuple[str, str]:
  """The split that a name has a word for, such as `Training` or `seg_test`, and its other words.

  Returns:
    ('', '') where there is no such word, or several.
  """
  words = [word.casefold() for word in _WORDS.findall(_HUMP.sub(' ', name))]
  found = [word for word in words if word in _SPLITS]
  if len(found) != 1:
    return '', ''
  return _SPLITS[found[0]], ' '.join(w for w in words if w != found[0] and w not in _NO_WORDS)


def arrange(names: Sequence[str]) -> list[Place]:
  """Places files by their folders.

  Folders at one depth are splits where most files lie in those of two splits at least, whose names
  are alike but for the split: `Training` and `Testing`, `seg_train` and `seg_test`, with or without
  a folder around, above classes or below them. Folders that hold all files, as `archive/` does when
  an archive is unpacked, are no classes.
  """
  folders = [tuple(name.split('/')[:-1]) for name in names]
  level, stem = _level_of_splits(folders)
  repeated = _repeated(folders, level)
  found: list[tuple[str, tuple[str, ...], bool]] = []
  for path in folders:
    split, its_stem = split_of(path[level]) if len(path) > level >= 0 else ('', '')
    if level < 0 or not split or its_stem != stem:
      found.append(('', path, level >= 0))
      continue
    above, own, below = path[:level], path[level], path[level + 1 :]
    if (*above, own) in repeated:
      below = below[1:]
    found.append((split, above + below, False))
  around = len(common([path for _, path, beside in found if not beside]))
  if around and all(len(path) == around for _, path, beside in found if not beside):
    around -= 1  # the only folder is the class, not one around classes
  return [
    Place(split, '/'.join((*path[0 if beside else around :], name.rsplit('/', 1)[-1])), beside)
    for name, (split, path, beside) in zip(names, found, strict=True)
  ]


def _level_of_splits(folders: Sequence[tuple[str, ...]]) -> tuple[int, str]:
  """At which depth folders are splits, and what else their names say; -1 where none are."""
  for level in range(max(map(len, folders), default=0)):
    counts = Counter(path[level] for path in folders if len(path) > level)
    splits: dict[str, set[str]] = defaultdict(set)
    files: Counter[str] = Counter()
    for name, count in counts.items():
      split, stem = split_of(name)
      if split:
        splits[stem].add(split)
        files[stem] += count
    for stem, count in files.most_common():
      if len(splits[stem]) > 1 and 2 * count > len(folders):
        return level, stem
  return -1, ''


def _repeated(folders: Sequence[tuple[str, ...]], level: int) -> set[tuple[str, ...]]:
  """Folders of a level that hold nothing but one of the same name, as in seg_train/seg_train."""
  if level < 0:
    return set()
  inside: dict[tuple[str, ...], set[str]] = defaultdict(set)
  for path in folders:
    inside[path[: level + 1]].add(path[level + 1] if len(path) > level + 1 else '')
  alike = lambda path, held: {name.casefold() for name in held} == {path[-1].casefold()}
  return {path for path, held in inside.items() if len(path) > level and alike(path, held)}


def common(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
  """The folders that all files lie in, from the top."""
  if not folders:
    return ()
  first, last = min(folders), max(folders)
  same = [a for a, b in zip(first, last, strict=False)]
  for depth, (a, b) in enumerate(zip(first, last, strict=False)):
    if a != b:
      return tuple(same[:depth])
  return tuple(same)
