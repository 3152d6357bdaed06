"""Characters: the sprites of the units of the game Battle for Wesnoth, by faction.

Source: the Debian package `wesnoth-1.16-data` (or that of a later release), fetched and unpacked,
not installed. Licence: GPL-2 or later (the images too: what is drawn from them may have to be
shared alike). Size: 72×72 RGBA, 3,533 sprites for training and 412 held out, of 20 factions with 20
(ogres) to 771 (dwarves) each; the package has 146 MB. A unit stands in several poses that are
nearly copies of each other, so all of one unit are on the same side of the split; woses, which are
of one unit, are all for training. Frames of dying units and all but empty ones are left out.
Magenta stands for the colour of the player's side. Not for: people; styles other than this game's.
"""

import functools
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from PIL import Image

from gan_jax.data import packages
from gan_jax.data.datasets.packaged import Example, PackagedBuilder

_LEAST_COVER = 0.04  # share of the pixels that are not transparent
# Words of names: of frames of dying units, and of what is no unit.
_LEFT_OUT = frozenset(
  ('die', 'death', 'dying', 'halo', 'missile', 'projectile', 'mask', 'bottom', 'dust', 'swoosh')
)
# Units whose sprites are redrawn from another's, as near-duplicates of the two show.
_LOOKS_LIKE = {
  'bloodbat': 'bat',
  'dreadbat': 'bat',
  'guard': 'stalwart',
  'rouser': 'impaler',
  'sergeant': 'lieutenant',
  'soulless': 'zombie',
  'steelclad': 'fighter',
  'thrasher-blade': 'thrasher',
  'thunderguard': 'thunderer',
}


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
      units = _units(path.stem for path in paths)
      for path in paths:
        if _LEFT_OUT.isdisjoint(re.findall('[a-z]+', path.stem)):
          name = path.relative_to(root).with_suffix('').as_posix()
          yield Example(
            name, faction, functools.partial(_load, path), f'{faction}/{units[path.stem]}'
          )


def _units(stems: Iterable[str]) -> dict[str, str]:
  """The unit that each sprite of a faction shows: `bowman` for `bowman` and `bowman-attack-1`.

  It is the shortest name that begins the name and is that of a sprite with other poses, or else the
  first word; units that look alike are one.
  """
  begins = {stem: [stem[: m.start()] for m in re.finditer('[-+_]|$', stem)] for stem in stems}
  posed = {begin for stem, parts in begins.items() for begin in parts if begin != stem}
  bases = posed.intersection(begins)
  units = {stem: next((p for p in parts if p in bases), parts[0]) for stem, parts in begins.items()}
  return {stem: _LOOKS_LIKE.get(unit, unit) for stem, unit in units.items()}


def _load(path: pathlib.Path) -> np.ndarray | None:
  with Image.open(path) as file:
    if file.size != (72, 72):
      return None
    pixels = np.asarray(file.convert('RGBA'))
  return pixels if np.mean(pixels[..., 3] > 127) >= _LEAST_COVER else None
