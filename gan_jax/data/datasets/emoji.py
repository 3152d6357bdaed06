"""Emoji: Google's Noto emoji, by category.

Source: the npm package `emoji-datasource-google` 16.0.0, fetched and unpacked, not installed.
Licence: MIT (package), Apache-2.0 (Noto emoji images). Size: 64×64 RGBA, about 3,780 images of nine
categories; 74 MB. Variants of one emoji in other skin colours are on the same side of the split.
Not for: flags and symbols of which a plausible but wrong one would mislead.
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
    for emoji in json.loads((root / 'emoji.json').read_text()):
      if emoji['category'] not in self.CLASSES:
        continue
      for image in [emoji, *emoji.get('skin_variations', {}).values()]:
        path = root / 'img' / 'google' / '64' / image['image']
        if image.get('has_img_google') and path.exists():
          yield Example(
            path.stem, emoji['category'], functools.partial(_load, path), group=emoji['unified']
          )


def _load(path: pathlib.Path) -> np.ndarray:
  with Image.open(path) as file:
    return np.asarray(file.convert('RGBA').resize((64, 64), Image.Resampling.BICUBIC))
