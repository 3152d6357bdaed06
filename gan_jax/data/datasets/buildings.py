"""Buildings: façades, doors, walls, floors and other surfaces from the game UFO: Alien Invasion.

Source: the Debian package `ufoai-textures`, fetched and unpacked, not installed. Licence: GPL-2 or
GPL-2 or later, a few GPL-3, CC BY, CC BY-SA and public domain (its `copyright` file names them one
by one). Size: 256×256 RGB, 986 squares for training and 123 held out, of seven folders with 4
(tex_buildings_snow) to 443 (tex_mattn) each; the package has 336 MB. A texture that is not square
gives the squares that lie side by side in it; all of one series (`wall_brick01`, `wall_brick02`)
are on the same side of the split. Transparent and plain ones and those under 128 pixels are left
out. Not for: whole buildings, of which it has none.
"""

import functools
import io
import pathlib
import re
import zipfile
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from PIL import Image

from gan_jax.data import packages
from gan_jax.data.datasets.packaged import Example, PackagedBuilder

_SIZE = 256
_LEAST_SIDE = 128
_LEAST_DEVIATION = 4.0  # of grey values within an image: below it is a plain colour
_MAPS = ('_nm', '_gm', '_sm', '_rm')  # of normals, glow, gloss and roughness: not colours


class Builder(PackagedBuilder):
  """TFDS builder of `buildings`, with the splits `train` and `test`."""

  name = 'buildings'
  SHAPE: ClassVar = (_SIZE, _SIZE, 3)
  CLASSES: ClassVar = (
    'tex_buildings',
    'tex_buildings_snow',
    'tex_ctp1',
    'tex_doors',
    'tex_material',
    'tex_mattn',
    'tex_nature',
  )
  LICENCE: ClassVar = (
    'GPL-2.0-only, GPL-2.0-or-later, in part GPL-3.0-or-later, CC BY 3.0, CC BY-SA 3.0'
  )
  HOMEPAGE: ClassVar = 'https://ufoai.org'

  def examples(self) -> Iterator[Example]:
    """Lists the squares of every texture."""
    archive = packages.debian(
      ['ufoai-textures'], 'usr/share/games/ufoai/base/0textures.pk3', self.packages_folder
    )
    with zipfile.ZipFile(archive) as file:
      for path in sorted(file.namelist()):
        place = pathlib.PurePosixPath(path)
        if place.suffix not in ('.png', '.jpg') or place.stem.endswith(_MAPS):
          continue
        folder = place.parent.name
        if folder not in self.CLASSES:
          continue
        with file.open(path) as data:
          width, height = Image.open(data).size
        if min(width, height) < _LEAST_SIDE:
          continue
        for number in range(max(width, height) // min(width, height)):
          name = f'{folder}/{place.stem}#{number}'
          load = functools.partial(_load, archive, path, number)
          yield Example(name, folder, load, group=f'{folder}/{_series(place.stem)}')


def _series(stem: str) -> str:
  """The series of a texture: its name up to the first word of three letters, `wall` of `wall064b`.

  `e8_mtlwall3`, `t_wll_fnctrm_ow` and `9techwall01` are of `e8_mtlwall`, `t_wll` and `9techwall`.
  """
  found = re.match(r'.*?[a-zA-Z]{3,}', stem)
  return found[0] if found else stem


def _load(archive: pathlib.Path, path: str, number: int) -> np.ndarray | None:
  """The square of that number along the longer side."""
  with zipfile.ZipFile(archive) as file, Image.open(io.BytesIO(file.read(path))) as texture:
    image = texture.convert('RGBA')
  side = min(image.width, image.height)
  if np.asarray(image)[..., 3].min() < 250:
    return None
  left, top = (number * side, 0) if image.width > image.height else (0, number * side)
  square = image.convert('RGB').crop((left, top, left + side, top + side))
  pixels = np.asarray(square.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC))
  return pixels if np.std(pixels.mean(axis=-1)) >= _LEAST_DEVIATION else None
