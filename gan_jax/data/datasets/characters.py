"""Characters: the sprites of the units of the game Battle for Wesnoth, by faction.

Source: the Debian package `wesnoth-1.16-data` (or that of a later release), fetched and unpacked,
not installed. Licence: GPL-2 or later (the images too: what is drawn from them may have to be
shared alike). Size: 72×72 RGBA, about 3,900 sprites of 20 factions, 20 to 770 each; the package has
146 MB. A unit stands in several poses that are nearly copies of each other, so all of one unit are
on the same side of the split. Frames of dying units and all but empty ones are left out. Magenta
stands for the colour of the player's side. Not for: people; styles other than this game's.
"""

import functools
import pathlib
from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from PIL import Image

from gan_jax.data import packages
from gan_jax.data.datasets.packaged import Example, PackagedBuilder

_LEAST_COVER = 0.04  # share of the pixels that are not transparent
_LEFT_OUT = ('die', 'death', 'dying', 'halo', 'missile', 'projectile')


class Builder(PackagedBuilder):
  """TFDS builder of `characters`, with the splits `train` and `test`."""

  name = 'characters'
  SHAPE: ClassVar = (72, 72, 4)
  CLASSES: ClassVar = (
    'drakes',
    'dunefolk',
    'dwarves',
    'elves-wood',
    'goblins',
    'human-loyalists',
    'human-magi',
    'human-outlaws',
    'human-peasants',
    'merfolk',
    'monsters',
    'nagas',
    'ogres',
    'orcs',
    'saurians',
    'trolls',
    'undead',
    'undead-necromancers',
    'undead-skeletal',
    'woses',
  )
  LICENCE: ClassVar = 'GPL-2.0-or-later'
  HOMEPAGE: ClassVar = 'https://www.wesnoth.org'

  def examples(self) -> Iterator[Example]:
    """Lists the sprites by faction and name."""
    root = packages.debian(
      ['wesnoth-1.16-data', 'wesnoth-1.18-data'],
      'usr/share/games/wesnoth/*/data/core/images/units',
      self.packages_folder,
    )
    for faction in self.CLASSES:
      paths = sorted((root / faction).rglob('*.png'))
      units = _units(paths)
      for path in paths:
        if not any(word in path.stem for word in _LEFT_OUT):
          name = path.relative_to(root).with_suffix('').as_posix()
          yield Example(name, faction, functools.partial(_load, path), f'{faction}/{units[path]}')


def _units(paths: list[pathlib.Path]) -> dict[pathlib.Path, str]:
  """The unit that each sprite shows: `bowman` for `bowman.png` and for `bowman-attack-1.png`.

  It is the shortest name of a sprite in the same folder that begins the name, or else its first
  word.
  """
  stems = defaultdict(list)
  for path in paths:
    stems[path.parent].append(path.stem)
  units = {}
  for path in paths:
    begins = [s for s in stems[path.parent] if path.stem.startswith((f'{s}-', f'{s}+'))]
    first = path.stem.split('-')[0].split('+')[0]
    units[path] = f'{path.parent.name}/{min(begins, key=len, default=first)}'
  return units


def _load(path: pathlib.Path) -> np.ndarray | None:
  with Image.open(path) as file:
    if file.size != (72, 72):
      return None
    pixels = np.asarray(file.convert('RGBA'))
  return pixels if np.mean(pixels[..., 3] > 127) >= _LEAST_COVER else None
