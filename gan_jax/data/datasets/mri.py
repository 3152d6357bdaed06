"""MRI: slices through T1-weighted scans of the head of one person, in three planes.

Source: the Debian package `mricron-data`, fetched and unpacked, not installed: `ch2` (with skull)
and `ch2better` (the average of 27 scans, brain alone), both of one person (Holmes et al. 1998,
"Colin 27"). Licence: BSD-3-Clause (of the package as a whole). Size: 224×224 grey of 16 bits at
1 mm a pixel, 1,219 slices for training and 180 held out, 430 (axial) to 532 (coronal) a plane; the
package has 16 MB. Held out are slabs of 10 mm in every 100 mm, the same of both volumes, with 2 mm
on either side left out, as neighbouring slices are nearly copies. Not for: anything medical. One
person has no variety: a model of this has seen one healthy brain, and held-out slices are of that
same brain.
"""

import functools
import re
from collections.abc import Iterator
from typing import ClassVar

import nibabel as nib
import numpy as np

from gan_jax.data import packages
from gan_jax.data.datasets.packaged import Example, PackagedBuilder
from gan_jax.data.ingest import fit, nifti

_SIDE = 224
_PLANES = {'sagittal': 0, 'coronal': 1, 'axial': 2}
# Millimetres along each axis of the space that both volumes are aligned to.
_FIRST_HELD_OUT, _THICKNESS, _MARGIN, _PERIOD = 50.0, 10.0, 2.0, 100.0


class Builder(PackagedBuilder):
  """TFDS builder of `mri`, with the splits `train` and `test`; the label is the plane."""

  name = 'mri'
  SHAPE: ClassVar = (_SIDE, _SIDE, 1)
  DTYPE: ClassVar = np.uint16
  CLASSES: ClassVar = tuple(_PLANES)
  MODALITY: ClassVar = 'MR'
  LICENCE: ClassVar = 'BSD-3-Clause'
  HOMEPAGE: ClassVar = 'https://github.com/neurolabusc/MRIcron'

  def examples(self) -> Iterator[Example]:
    """Lists the slices of both volumes, plane by plane."""
    root = packages.debian(['mricron-data'], 'usr/share/mricron/templates', self.packages_folder)
    for volume in ('ch2', 'ch2better'):
      path = root / f'{volume}.nii.gz'
      affine = nib.as_closest_canonical(nib.load(path)).affine
      spacing = float(affine[0, 0])  # the same along all axes
      data = path.read_bytes()
      for plane, axis in _PLANES.items():
        for picture in nifti.read(f'{volume}/{plane}', data, axis=axis):
          index = int(re.findall(r'\d+$', picture.name)[0])
          split, slab = _slab(affine[axis, 3] + index * spacing)
          if split:
            load = functools.partial(_place, picture.pixels, spacing)
            yield Example(picture.name, plane, load, f'{plane}/{split}{slab:+d}', split)


def _slab(position: float) -> tuple[str, int]:
  """The split of a slice at that place, mm, '' between two; and which of its slabs it is in."""
  number, place = divmod(position - _FIRST_HELD_OUT, _PERIOD)
  if place < _THICKNESS:
    return 'test', int(number)
  inside = _THICKNESS + _MARGIN <= place < _PERIOD - _MARGIN
  return 'train' if inside else '', int(number)


def _place(pixels: np.ndarray, spacing: float) -> np.ndarray:
  """Scales a slice to 1 mm a pixel and centres it on a black square."""
  height, width = (round(side * spacing) for side in pixels.shape[:2])
  scaled = fit.fit(pixels, (height, width), 'stretch')
  square = np.zeros((_SIDE, _SIDE, 1), np.uint16)
  top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
  square[top : top + height, left : left + width] = scaled
  return square
