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
_JOINED = re.compile(r'(.+?)(set|data|images|imgs|img)')  # as in testset


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
  words = [word for found in _WORDS.findall(_HUMP.sub(' ', name)) for word in _parted(found)]
  found = [word for word in words if word.casefold() in _SPLITS]
  if len(found) != 1:
    return '', ''
  others = [word for word in words if word != found[0] and word.casefold() not in _NO_WORDS]
  return _SPLITS[found[0].casefold()], ' '.join(others)


def _parted(word: str) -> tuple[str, ...]:
  match = _JOINED.fullmatch(word.casefold())
  return match.groups() if match and match[1] in _SPLITS else (word,)


def arrange(names: Sequence[str]) -> list[Place]:
  """Places files by their folders.

  Folders at one depth are splits where most files lie in those that have another split beside them,
  called alike but for it: `Training` and `Testing`, `seg_train` and `seg_test`, with or without a
  folder around, above classes or below them. Where there are several such pairs, as `trainA`,
  `testA`, `trainB` and `testB`, what else they are called is a class. Folders that hold all files,
  as `archive/` does when an archive is unpacked, are no classes.
  """
  folders = [tuple(name.split('/')[:-1]) for name in names]
  level, stems = _level_of_splits(folders)
  repeated = _repeated(folders, level)
  found: list[tuple[str, tuple[str, ...], bool]] = []
  for path in folders:
    split, stem = split_of(path[level]) if len(path) > level >= 0 else ('', '')
    if not split or stem.casefold() not in stems:
      found.append(('', path, level >= 0))
      continue
    own, below = path[: level + 1], path[level + 1 :]
    kind = (stem,) if len(stems) > 1 and stem else ()
    found.append((split, own[:-1] + kind + below[own in repeated :], False))
  around = len(common([path for _, path, beside in found if not beside]))
  if around and all(len(path) == around for _, path, beside in found if not beside):
    around -= 1  # the only folder is the class, not one around classes
  return [
    Place(split, '/'.join((*path[0 if beside else around :], name.rsplit('/', 1)[-1])), beside)
    for name, (split, path, beside) in zip(names, found, strict=True)
  ]


def _level_of_splits(folders: Sequence[tuple[str, ...]]) -> tuple[int, set[str]]:
  """At which depth folders are splits, and what else they are called; -1 where none are."""
  for level in range(max(map(len, folders), default=0)):
    counts = Counter(path[level] for path in folders if len(path) > level)
    splits: dict[str, set[str]] = defaultdict(set)
    files: Counter[str] = Counter()
    for name, count in counts.items():
      split, stem = split_of(name)
      if split:
        splits[stem.casefold()].add(split)
        files[stem.casefold()] += count
    stems = {stem for stem, found in splits.items() if len(found) > 1}
    if 2 * sum(files[stem] for stem in stems) > len(folders):
      return level, stems
  return -1, set()


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
