"""Emoji: Google's Noto emoji, by category.

Source: the npm package `emoji-datasource-google` 16.0.0, fetched and unpacked, not installed.
Licence: MIT (package), Apache-2.0 (Noto emoji images). Size: 64×64 RGBA, 3,400 images for training
and 381 held out, of nine categories with 85 (Activities) to 2,261 (People & Body) each; 74 MB.
Variants of one emoji in another skin colour or gender are on the same side of the split. Not for:
flags and symbols of which a plausible but wrong one would mislead.
"""

import functools
import json
import pathlib
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from PIL import Image

from gan_jax.data import packages
from gan_jax.data.datasets.packaged import Example, PackagedBuilder

_FOLDER = pathlib.PurePosixPath('img', 'google', '64')
_SIGNS = ('FE0F', '200D', '2640', '2642', '27A1')  # joiners; female, male; facing right
_PERSON_OF = {'1F468': '1F9D1', '1F469': '1F9D1', '1F466': '1F9D2', '1F467': '1F9D2'}


class Builder(PackagedBuilder):
  """TFDS builder of `emoji`, with the splits `train` and `test`."""

  name = 'emoji'
  SHAPE: ClassVar = (64, 64, 4)
  CLASSES: ClassVar = (
    'Activities',
    'Animals & Nature',
    'Flags',
    'Food & Drink',
    'Objects',
    'People & Body',
    'Smileys & Emotion',
    'Symbols',
    'Travel & Places',
  )
  LICENCE: ClassVar = 'Apache-2.0'
  HOMEPAGE: ClassVar = 'https://github.com/googlefonts/noto-emoji'

  def examples(self) -> Iterator[Example]:
    """Lists each emoji and its variants."""
    root = packages.npm('emoji-datasource-google', '16.0.0', 'package', self.packages_folder)
    group_of: dict[bytes, str] = {}
    for emoji in json.loads((root / 'emoji.json').read_text(encoding='utf-8')):
      if emoji['category'] not in self.CLASSES:
        continue
      group = _group(emoji['unified'])
      first = root / _FOLDER / emoji['image']
      if first.exists():  # some flags are one picture, such as those of Norway and Svalbard
        group = group_of.setdefault(first.read_bytes(), group)
      for image in [emoji, *emoji.get('skin_variations', {}).values()]:
        path = root / _FOLDER / image['image']
        if image.get('has_img_google') and path.exists():
          load = functools.partial(_load, path)
          yield Example(path.stem, emoji['category'], load, group)


def _group(unified: str) -> str:
  """Code points of an emoji less those of gender and direction: `1F9D1-1F692`, fire fighter."""
  points = [_PERSON_OF.get(point, point) for point in unified.split('-')]
  return '-'.join(point for point in points if point not in _SIGNS) or unified


def _load(path: pathlib.Path) -> np.ndarray:
  with Image.open(path) as file:
    return np.asarray(file.convert('RGBA').resize((64, 64), Image.Resampling.BICUBIC))
