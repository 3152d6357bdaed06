"""What an inspection says in words: findings with what to do, and the rows of its tables."""

from collections.abc import Iterable

from gan_jax.data.inspection.inspect import Inspection, Overlap, imbalance
from gan_jax.data.inspection.split_reader import Example, Split

_IMBALANCED = 10  # a class so many times smaller than the largest is named
_NAMED = 3  # classes, groups or rows named in one finding
_SHOWN = 5  # sizes, modes or values shown in one cell
_LONGEST, _LONGEST_PATH = 60, 500  # characters of a name; of one to be looked up


def plain(text: str, longest: int = _LONGEST) -> str:
  """A name from outside as one short line without control characters; both its ends are kept."""
  line = ''.join(c if c.isprintable() else '�' for c in text)
  head = longest // 3
  return line if len(line) <= longest else f'{line[:head]}…{line[head + 1 - longest :]}'


def findings(inspection: Inspection) -> list[str]:
  """What should be looked into before training, as sentences that say what to do."""
  found = []
  for overlap in inspection.overlaps:
    found += _of_overlap(overlap)
  for split in inspection.splits:
    found += _of_split(split, inspection)
  if not inspection.complete:
    found.append(
      'too many images have almost the same structure: the search for near-duplicates was cut '
      'short, and there may be more than are listed'
    )
  return found


def _of_overlap(overlap: Overlap) -> list[str]:
  first, second = plain(overlap.first), plain(overlap.second)
  found = []
  exact = f' ({overlap.exact:,} exact)' if overlap.exact else ''
  near = count(overlap.near, 'near-duplicate')
  if overlap.near and first == second:
    found.append(
      f'{first} holds {near} of its own images{exact}: they weigh more than once in '
      'training and in scores; look at them (--out) and keep one of each'
    )
  elif overlap.near:
    found.append(
      f'{second} holds {near} of {first} images{exact}: scores on it are too good; '
      'split by group (--group)'
    )
  if overlap.groups:
    found.append(
      f'{first} and {second} share {count(len(overlap.groups), "group")} '
      f'({_some(overlap.groups)}): scores on {second} are too good; split by group (--group)'
    )
  return found


def _of_split(split: Split, inspection: Inspection) -> list[str]:
  name = plain(split.name)
  found = []
  if not split.total:
    found.append(f'{name} has no images')
    return found
  if split.limited:
    found.append(
      f'of {name} {split.inspected:,} of {split.total:,} images were looked at: of the rest '
      'nothing is known; look without a limit before you trust these numbers'
    )
  if split.unreadable:
    rows = _some(str(bad.row) for bad in split.unreadable)
    found.append(
      f'{name} has {count(len(split.unreadable), "unreadable image")} (row {rows}): training '
      'stops there; repair or remove the files and prepare the dataset anew'
    )
  if split.blank:
    found.append(
      f'{name} has {count(split.blank, "blank image")}, of one colour or fully transparent: '
      'remove what is no real example'
    )
  if split.transparent and len(inspection.channels) < 4:
    found.append(
      f'{count(split.transparent, "image")} of {name} are transparent somewhere, which the dataset '
      f'with its {count(len(inspection.channels), "channel")} drops; keep four if it matters'
    )
  if split.animated:
    found.append(
      f'{count(split.animated, "image")} of {name} have several frames: only the first is used'
    )
  if split.bad_labels:
    found.append(
      f'{count(split.bad_labels, "label")} of {name} are none of the '
      f'{count(len(inspection.class_names), "class", "classes")}: training stops there'
    )
  return found + _of_classes(split, inspection)


def _of_classes(split: Split, inspection: Inspection) -> list[str]:
  name = plain(split.name)
  named = sorted(zip(split.class_counts, inspection.class_names, strict=True), key=lambda p: p[0])
  found = []
  missing = [f'"{plain(title)}"' for number, title in named if not number]
  if missing and len(missing) < len(named):
    found.append(
      f'{name} has no image of {count(len(missing), "class", "classes")} ({_some(missing)}): '
      'nothing is learnt or measured of them there; split by class or leave them out'
    )
  present = [(number, title) for number, title in named if number]
  if not present:
    return found
  most, largest = present[-1]
  small = [(number, title) for number, title in present if most >= _IMBALANCED * number]
  for number, title in small[:_NAMED]:
    found.append(
      f'class "{plain(title)}" has {count(number, "image")} in {name}, {most / number:.0f} times '
      f'fewer than "{plain(largest)}": add images, merge it with another or leave it out'
    )
  if len(small) > _NAMED:
    found.append(
      f'{count(len(small) - _NAMED, "more class", "more classes")} of {name} have at least '
      f'{_IMBALANCED} times fewer images than "{plain(largest)}"'
    )
  return found


def split_rows(inspection: Inspection) -> list[tuple[str, list[str]]]:
  """Rows of the table of splits: a heading, and a cell for each split."""
  within = {o.first: o for o in inspection.overlaps if o.first == o.second}
  cells: dict[str, list[str]] = {}

  def put(heading: str, value: str) -> None:
    cells.setdefault(heading, []).append(value)

  for split in inspection.splits:
    limited = f' of {split.total:,}' if split.limited else ''
    put('images', f'{split.inspected:,}{limited}')
    put('unreadable', f'{len(split.unreadable):,}')
    put('sizes, height x width', _tally({f'{h}x{w}': n for (h, w), n in split.sizes.items()}))
    put('smallest, largest', _extremes(split))
    put('modes', _tally(split.modes))
    put('with transparency', f'{split.transparent:,}')
    put('animated', f'{split.animated:,}')
    put('blank', f'{split.blank:,}')
    put('exact copies', f'{within[split.name].exact:,}')
    put('near-duplicates', f'{within[split.name].near:,}')
    levels = zip(inspection.channels, split.mean, split.std, strict=False)
    put('mean ± deviation', '\n'.join(f'{c} {m:.3f} ± {s:.3f}' for c, m, s in levels) or '-')
    if inspection.class_names:
      ratio, effective = imbalance(split.class_counts)
      put('largest / smallest class', f'{ratio:.3g}' if ratio == ratio else '-')
      put('effective classes', f'{effective:.3g}' if ratio == ratio else '-')
    for column, values in split.attributes.items():
      put(plain(column), _tally(values))
  return list(cells.items())


def overlap_rows(inspection: Inspection) -> list[list[str]]:
  """Rows of the table of what splits share: both names, exact, near, groups."""
  return [
    [plain(o.first), plain(o.second), f'{o.exact:,}', f'{o.near:,}', f'{len(o.groups):,}']
    for o in inspection.overlaps
    if o.first != o.second
  ]


def where(example: Example, inspection: Inspection) -> str:
  """Says where an example is, and its class."""
  title = ''
  if 0 <= example.label < len(inspection.class_names):
    title = f' {plain(inspection.class_names[example.label])}'
  return f'{plain(example.split)} {example.row}{title} {plain(example.name)}'.rstrip()


def unreadable_rows(inspection: Inspection) -> list[list[str]]:
  """Rows of the table of images that cannot be read: split, row, name, why."""
  return [
    [plain(split.name), f'{bad.row}', plain(bad.name, _LONGEST_PATH), plain(bad.reason)]
    for split in inspection.splits
    for bad in split.unreadable
  ]


def count(number: int, one: str, many: str = '') -> str:
  """A number with its noun."""
  return f'{number:,} {one if number == 1 else many or one + "s"}'


def _extremes(split: Split) -> str:
  if not split.sizes:
    return '-'
  by_area = sorted(split.sizes, key=lambda size: (size[0] * size[1], size))
  return ', '.join(f'{h}x{w}' for h, w in (by_area[0], by_area[-1]))


def _tally(counts: dict[str, int]) -> str:
  shown = [f'{plain(key)}: {number:,}' for key, number in list(counts.items())[:_SHOWN]]
  if len(counts) > _SHOWN:
    shown.append(f'and {len(counts) - _SHOWN:,} more')
  return '\n'.join(shown) or '-'


def _some(names: Iterable[str]) -> str:
  listed = [plain(name) for name in names]
  return ', '.join(listed[:_NAMED]) + (', …' if len(listed) > _NAMED else '')
