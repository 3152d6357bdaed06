"""Divides examples over splits by group, so that what belongs together stays on one side."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from gan_jax.errors import UserError

SHARES = {'train': 0.9, 'test': 0.1}  # where nothing else is asked for


def divide(groups: Sequence[str], shares: Mapping[str, float]) -> list[str]:
  """Gives each example the split of its group.

  Groups are put in the order of a hash of their names, and that order is cut at the shares: the
  same groups give the same splits on every machine, whatever the order of the examples. A split
  that the cuts leave empty, as of few groups, takes the group of the size nearest to its share.

  Args:
    groups: of each example; those of the same group are never parted.
    shares: of the images, by split; they sum to 1.

  Returns:
    The split of each example.

  Raises:
    UserError: where there are too few groups for every split to have one.
  """
  sizes = Counter(groups)
  order = sorted(sizes, key=lambda group: hashlib.sha256(group.encode()).digest())
  split_of: dict[str, str] = {}
  names = list(shares)
  ends: list[float] = []
  for share in shares.values():
    ends.append((ends[-1] if ends else 0.0) + share * len(groups))
  before, place = 0, 0
  for group in order:
    # By the middle of a group, so that a large one goes where most of it belongs.
    while place < len(ends) - 1 and before + sizes[group] / 2 > ends[place]:
      place += 1
    split_of[group] = names[place]
    before += sizes[group]
  for name in names:
    used = Counter(split_of.values())
    if name in used:
      continue
    spare = [group for group in order if used[split_of[group]] > 1]
    if not spare:
      raise UserError(
        f'split {name!r} ({shares[name]:.0%}) would be empty: {len(groups):,} images in '
        f'{len(sizes):,} groups; name other shares or finer groups; '
        '--split=train:1 holds nothing out'
      )
    wanted = shares[name] * len(groups)
    split_of[min(spare, key=lambda group: abs(sizes[group] - wanted))] = name
  return [split_of[group] for group in groups]
