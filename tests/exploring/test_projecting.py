import io
import json
import types

import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.exploring import projecting
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.painter import Painter
from gan_jax.exploring.recipe import Recipe, Source
from gan_jax.latents.projection import Projections, Settings
from gan_jax.workdir import record


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


@pytest.mark.parametrize('of_a_run', [False, True])
def test_an_image_is_read_as_those_were_that_the_run_was_trained_on(tmp_path, of_a_run):
  record.write_atomically(
    str(tmp_path / 'run.json'), json.dumps({'dataset': {'reading': {'fit': 'pad'}}})
  )
  model = types.SimpleNamespace(
    **{'config': {} if of_a_run else None, 'workdir': str(tmp_path)},
    **{'resolution': (16, 16), 'channels': 1, 'dtype': 'uint8'},
  )
  one = np.ones(1)
  finding = types.SimpleNamespace(
    likeness=types.SimpleNamespace(of='samples'),
    project=lambda images: Projections(np.zeros((1, 8)), np.full(1, 3), images, one, one, one),
  )
  painter, file = types.SimpleNamespace(model=model, projector=finding), io.BytesIO()
  Image.fromarray(np.full((16, 32), 200, np.uint8)).save(file, 'PNG')
  found = projecting.project(painter, 'x', file.getvalue())
  expected = np.full((16, 16, 1), 200)
  if of_a_run:
    expected[:4] = expected[12:] = 0  # bars above and below, as `pad` has them
  np.testing.assert_array_equal(found.given, expected)
  assert found.projected.label == 3


def test_what_cannot_be_read_is_named(models):
  with pytest.raises(UserError, match=r'x\.gif: of no image format'):
    projecting.project(Painter(models[0], Gallery([]).projected), 'x.gif', b'?')
