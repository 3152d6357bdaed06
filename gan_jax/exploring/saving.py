"""Pictures as files: small ones to be looked at, whole ones that say how they were made."""

import base64
import binascii
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.exploring import recipe as recipes
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.painter import Painter, Projected
from gan_jax.exploring.recipe import Recipe
from gan_jax.sampling import grid

_RECIPE, _LATENTS = 'Recipe', 'Latents'
_MOST_LATENTS = recipes.MOST_PICTURES


def thumbnail(image: np.ndarray) -> bytes:
  """A PNG of `[H, W, C]` for a screen: of 16 bits the upper 8; quick to make."""
  shown = (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image
  file = io.BytesIO()
  pixels = np.ascontiguousarray(shown[..., 0] if shown.shape[-1] == 1 else shown)
  Image.fromarray(pixels).save(file, format='PNG', compress_level=1)
  return file.getvalue()


def file_of(painter: Painter, asked: Sequence[Recipe], gallery: Gallery) -> bytes:
  """A PNG of one picture at its own depth, or of several as a grid, with recipe and model.

  Latents of projected images are in it, too: it can be opened where they were never projected.
  """
  images = painter.draw(asked)
  columns = math.ceil(math.sqrt(len(images)))
  whole = images[0] if len(images) == 1 else grid.laid_out(images, columns)
  about = {**painter.model.recipe(), 'Noise': 'the same for all pictures'}
  about[_RECIPE] = _text([recipes.written(each) for each in asked])
  if names := sorted(set(recipes.projections(asked))):
    about[_LATENTS] = _text({name: _packed(gallery.projected(name)) for name in names})
  return grid.encoded(whole, about)


def opened(data: bytes, painter: Painter, gallery: Gallery) -> list[Recipe] | None:
  """The recipes in a file that `file_of` made; None for any other file.

  Raises:
    UserError: where there are some that this model cannot draw.
  """
  try:
    with Image.open(io.BytesIO(data), formats=['PNG']) as file:
      texts: dict[str, str] = dict(getattr(file, 'text', {}))
  except Exception:  # whatever it is, it is read as an image then, and said what is wrong with it
    return None
  if _RECIPE not in texts:
    return None
  found = recipes.loads(texts[_RECIPE].encode())
  latents = recipes.loads(texts.get(_LATENTS, '{}').encode())
  if not isinstance(latents, dict) or len(latents) > _MOST_LATENTS:
    raise UserError(f'Latents: accepted: at most {_MOST_LATENTS}, by name')
  read = recipes.read_all(found, painter.model.num_classes)
  unpacked = {name: _unpacked(value, painter.shape) for name, value in latents.items()}
  names = {name: gallery.keep(each) for name, each in unpacked.items()}
  return [recipes.renamed(each, names) for each in read]


def _text(value: Any) -> str:
  return json.dumps(value, ensure_ascii=False, separators=(',', ':'))


def _packed(projected: Projected) -> dict[str, Any]:
  numbers = base64.b64encode(projected.at.astype('<f4').tobytes()).decode()
  return {'shape': projected.at.shape, 'float32': numbers, 'class': projected.label}


def _unpacked(value: Any, shape: tuple[int, ...]) -> Projected:
  try:
    numbers = np.frombuffer(base64.b64decode(value['float32'], validate=True), '<f4')
    at, label = numbers.reshape(shape).astype(np.float32), int(value['class'])
  except (TypeError, KeyError, ValueError, binascii.Error) as error:
    raise UserError(
      f'the picture has no latent of the shape {shape}, which this model takes'
    ) from error
  if not np.isfinite(at).all():
    raise UserError('the picture has a latent with values that are no numbers')
  return Projected(at, label)
