import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.exploring import projecting
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.painter import Painter
from gan_jax.exploring.recipe import Recipe, Source
from gan_jax.latents.projection import Settings


@pytest.mark.parametrize('place', [0, 1])
def test_what_is_found_is_drawn_again(models, place):
  gallery, file = Gallery([]), io.BytesIO()
  painter = Painter(models[place], gallery.projected)
  settings = Settings(16, starts=2, short_steps=2, kept=2, steps=2)
  vars(painter)['projector'] = models[place].projector(settings=settings)
  Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)).save(
    file, 'PNG'
  )
  found = projecting.project(painter, 'x', file.getvalue())
  assert found.given.shape == (16, 16, 1)
  source = Source(projection=gallery.keep(found.projected), label=found.projected.label)
  (drawn,) = painter.draw([Recipe(((source,),))])
  assert np.abs(drawn.astype(int) - found.found).max() <= 1


def test_what_cannot_be_read_is_named(models):
  with pytest.raises(UserError, match=r'x\.gif: of no image format'):
    projecting.project(Painter(models[0], Gallery([]).projected), 'x.gif', b'?')
