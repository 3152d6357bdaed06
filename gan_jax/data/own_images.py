"""A user's own images, read and brought to the form that a dataset's images have.

They go the way of `prepare`, with the options that it noted, and then that of a dataset's images to
the size of a run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.by_name import data_folder, open_builder
from gan_jax.data.ingest import decode, files, fit, labels, sources
from gan_jax.data.ingest.picture import Picture, RefusedError, first_line
from gan_jax.errors import UserError

_TOLD = 3  # of the files that cannot be read


class OwnImages(NamedTuple):
  """Images of a source, in the order of their names.

  Attributes:
    images: `[N, H, W, C]`, uint8 or uint16.
    names: of each in the source; a part of a file is `file#part`.
    folders: the class that its folder or its array says, '' where that is not known.
    refused: names of files that cannot be read, each with the reason.
  """

  images: np.ndarray
  names: tuple[str, ...]
  folders: tuple[str, ...]
  refused: tuple[tuple[str, str], ...]


def read(
  path: str,
  flag: str,
  shape: tuple[int, int, int],
  dtype: Any,
  noted: Mapping[str, Any],
  *,
  how: str = '',
  class_names: Sequence[str] = (),
  follow_links: bool = False,
  watch: Callable[[int, int], None] = lambda done, total: None,
) -> OwnImages:
  """Reads all images of a file, folder or archive.

  Args:
    path: what `sources.open_source` takes.
    flag: that it was given by, for messages.
    shape: `(H, W, C)` of the result.
    dtype: of the result, uint8 or uint16.
    noted: what a dataset's preparation noted, as its `origin` has it: `image_shape`, `kind` and
      `reading`, or none of them.
    how: of `fit.FITS`; '': as was noted, or else 'crop'.
    class_names: that folders may be, where they are known.
    follow_links: take what symbolic links lead to.
    watch: called with files read and their number.

  Raises:
    UserError: where there is no image that can be read.
  """
  source = _open(path, flag, follow_links)
  found = sorted(source.files, key=lambda file: file.name)
  bring = _bringing(shape, np.dtype(dtype), noted, how)
  images: list[np.ndarray] = []
  names: list[str] = []
  of_files: list[int] = []
  refused = list(source.refused)
  for number, file in enumerate(found):
    watch(number, len(found))
    try:
      for picture in _pictures(file, _medical(noted)):
        images.append(bring(picture.pixels))
        names.append(picture.name)
        of_files.append(number)
    except RefusedError as error:
      refused.append((file.name, first_line(error)))
  if not images:
    told = ''.join(f'; {name}: {reason}' for name, reason in refused[:_TOLD])
    raise UserError(
      f'{flag}={path}: holds no image that can be read{told}; accepted: {sources.ACCEPTED}'
    )
  own = [file.label for file in found]
  classes = (
    own if any(own) else labels.by_folder([file.name for file in found], class_names or None)
  )
  folders = tuple(classes[number] for number in of_files)
  return OwnImages(np.stack(images), tuple(names), folders, tuple(refused))


def read_one(
  name: str, data: bytes, shape: tuple[int, int, int], dtype: Any, noted: Mapping[str, Any]
) -> np.ndarray:
  """Reads the first image of a file's bytes, `shape` `(H, W, C)`; see `read`.

  Raises:
    RefusedError: where there is none that can be read.
  """
  picture = next(decode.read(name, data, _medical(noted)), None)
  if picture is None:
    raise RefusedError('holds no image')
  return _bringing(shape, np.dtype(dtype), noted, '')(picture.pixels)


def _open(path: str, flag: str, follow_links: bool) -> files.Source:
  try:
    return sources.open_source(path, data_folder(''), open_builder, follow_links)
  except UserError as error:
    raise UserError(str(error).replace('--source', flag, 1)) from error


def _pictures(file: files.File, medical: decode.Medical) -> Iterator[Picture]:
  with files.contents(file) as data:
    yield from decode.read(file.name, data, medical)


def _medical(noted: Mapping[str, Any]) -> decode.Medical:
  """How instruments' images were read; JSON has made lists of tuples."""
  kept = noted.get('reading', {}).get('medical', {})
  tuples: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
  return decode.Medical(**tuples)


def _bringing(
  shape: tuple[int, int, int], dtype: np.dtype, noted: Mapping[str, Any], how: str
) -> Callable[[np.ndarray], np.ndarray]:
  """From pixels as they are read to those of a run: first as prepared, then as trained on."""
  kind = 'grey16' if dtype == np.uint16 else {1: 'grey', 3: 'rgb', 4: 'rgba'}[shape[-1]]
  stored = tuple(noted.get('image_shape') or shape)[:2]
  way = how or noted.get('reading', {}).get('fit', 'crop')

  def bring(pixels: np.ndarray) -> np.ndarray:
    pixels = fit.convert(fit.fit(pixels, stored, way), noted.get('kind', kind))
    return fit.fit(fit.convert(pixels, kind), shape[:2], 'crop')

  return bring
