"""Pictures as files: small ones to be looked at, whole ones that say how they were made."""

import io
import json
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from gan_jax.exploring.painter import Painter
from gan_jax.exploring.recipe import Recipe, written
from gan_jax.sampling import grid


def thumbnail(image: np.ndarray) -> bytes:
  """A PNG of `[H, W, C]` for a screen: of 16 bits the upper 8; quick to make."""
  shown = (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image
  file = io.BytesIO()
  pixels = np.ascontiguousarray(shown[..., 0] if shown.shape[-1] == 1 else shown)
  Image.fromarray(pixels).save(file, format='PNG', compress_level=1)
  return file.getvalue()


def file_of(painter: Painter, recipes: Sequence[Recipe]) -> bytes:
  """A PNG of one picture at its own depth, or of several as a grid, with recipe and model."""
  images = painter.draw(recipes)
  columns = math.ceil(math.sqrt(len(images)))
  whole = images[0] if len(images) == 1 else grid.grid(images, columns)
  about = {**painter.model.recipe(), 'Noise': 'the same for all pictures'}
  about['Recipe'] = json.dumps([written(recipe) for recipe in recipes], ensure_ascii=False)
  return grid.encoded(whole, about)
