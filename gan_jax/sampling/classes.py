"""Which classes are drawn: read from labels, names, and how often each comes."""

from collections.abc import Sequence

from gan_jax.errors import UserError, nearest

_MOST = 1000  # times that a class comes in one turn


def read_classes(
  classes: str | int | Sequence[str | int] | None, num_classes: int, names: Sequence[str] = ()
) -> list[int]:
  """Reads classes into labels, one turn of them.

  Args:
    classes: labels or names; or text, as `0,1,2`, `cat,dog` or `cat:3,dog`, three cats to a dog;
      None or '': every class.
    num_classes: of the model.
    names: of the classes, in their order. A name comes before a number that looks like it.

  Returns:
    Labels to be gone through in turn; `[0]` for an unconditional model.

  Raises:
    UserError: for anything but classes of the model.
  """
  if classes is None or (isinstance(classes, str) and not classes):
    return list(range(num_classes)) if num_classes else [0]
  shown = classes if isinstance(classes, str | int) else ','.join(map(str, classes))
  if not num_classes:
    raise UserError(f'--classes={shown}: the model is unconditional; leave --classes out')
  if isinstance(classes, str):
    parts: Sequence[str | int] = [classes] if classes in names else classes.split(',')
  elif isinstance(classes, int):
    parts = [classes]
  else:
    parts = classes
  if not len(parts):
    raise UserError('--classes=: no class is named; leave it out for all')
  labels: list[int] = []
  for part in parts:
    labels += _read(
      str(part).strip(), isinstance(part, str), f'--classes={shown}', num_classes, names
    )
  return labels


def _read(
  part: str, is_text: bool, where: str, num_classes: int, names: Sequence[str]
) -> list[int]:
  """One part: a class, or one with the times that it comes in a turn."""
  label = _label(part, is_text, num_classes, names)
  if label is not None:
    return [label]
  name, colon, times = part.rpartition(':')
  label = _label(name.strip(), is_text, num_classes, names) if colon else None
  if label is None:
    # Names that are the numbers again say nothing more.
    named = list(names) != [str(number) for number in range(num_classes)] and bool(names)
    known = f'; by name: {nearest(name if colon else part, names)}' if named else ''
    raise UserError(f'{where}: {part!r} is no class; accepted: 0 to {num_classes - 1}{known}')
  if not times.isdecimal() or not 1 <= int(times) <= _MOST:
    raise UserError(f'{where}: {part!r}: accepted: CLASS:TIMES, from 1 to {_MOST} times')
  return [label] * int(times)


def _label(part: str, is_text: bool, num_classes: int, names: Sequence[str]) -> int | None:
  if is_text and part in names:
    return list(names).index(part)
  number = int(part) if part.isdecimal() and part.isascii() else -1
  return number if number in range(num_classes) else None
