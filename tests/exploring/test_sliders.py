import io
import math

import numpy as np
import pytest

from gan_jax import edit
from gan_jax.errors import UserError
from gan_jax.exploring import gallery, projecting
from gan_jax.exploring.gallery import Entry, Gallery
from gan_jax.exploring.painter import Painter, Projected
from gan_jax.exploring.recipe import Recipe, Source
from gan_jax.exploring.sliders import Sliders
from gan_jax.latents import stored
from gan_jax.latents.directions import Directions


def packed(directions):
  file = io.BytesIO()
  stored.write_directions(file, directions)
  file.seek(0)
  return file


def made(names, space='z', size=8):
  vectors = np.ones((len(names), size), np.float32)
  return packed(Directions(space, tuple(names), vectors, np.full(len(names), np.nan)))


def test_what_edit_learnt_of_classes_moves_pictures(models):
  model = models[1]
  found = edit.edit(model, edit.Asked(by='classes', samples=1)).directions
  painter = Painter(model, Gallery([]).projected)
  before = painter.directions.names
  assert painter.sliders.load(packed(found), 'd.npz') == found.names
  assert painter.directions.names == before + found.names
  source = Source(seed=3, label=1, directions=((found.names[0], 2.0),))
  (drawn,) = painter.draw([Recipe(((source,),))])
  w = model.styles(model.latents(1, seed=3), [1]) + np.float32(2) * found.vectors[0]
  assert np.abs(drawn.astype(int) - model.images_of_styles(w)[0]).max() <= 1
  painter.sliders.load(made(['other'], 'w'), 'e.npz')
  assert painter.directions.names == (*before, 'other'), 'in place of those before'


@pytest.mark.parametrize(
  ('file', 'message'),
  [
    (lambda: made(['a'], 'w'), r'd\.npz: directions in w of shape'),
    (lambda: made(['a'], size=7), r'of shape \(1, 7\)'),
    (lambda: made([]), r'd\.npz: 0 directions; accepted: 1 to 56'),
    (lambda: made([*map(str, range(57))]), '57 directions; accepted: 1 to 56'),
    (lambda: made(['a' * 201]), 'names of at most 200 characters'),
    (lambda: made(['a', 'a']), 'twice, or are here already'),
    (lambda: made(['component1']), 'twice, or are here already'),
    (lambda: io.BytesIO(b'PK'), r'd\.npz: no \.npz that can be read'),
  ],
)
def test_other_files_are_refused_and_nothing_is_changed(models, file, message):
  sliders = Sliders(models[0])
  before = sliders.directions.names
  with pytest.raises(UserError, match=message):
    sliders.load(file(), 'd.npz')
  assert sliders.directions.names == before


def test_the_p_value_of_a_projected_image_is_its_place_among_references(models):
  painter = Painter(models[0], Gallery([]).projected)
  vars(painter)['references'] = 'images of digits test', np.arange(1.0, 100.0)
  say = lambda distance: projecting.belonging(painter, Projected(np.zeros(8), 0, distance))
  known = 'It is not shown to lie outside what the model knows: p = '
  assert say(50.0) == f'{known}0.51 among 99 images of digits test.'  # 50 to 99, and itself
  assert say(95.5) == (
    'It lies outside what the model knows: farther than 95 % of 99 images of digits test, p = 0.05.'
  )
  assert say(94.5).startswith(f'{known}0.06 ')
  with pytest.raises(UserError, match='drop it again'):
    say(math.nan)


def test_a_dropped_image_is_ranked_by_the_server(served):
  vars(served.gallery.painter(0))['references'] = 'samples of the model', np.ones(99)
  name = served.gallery.keep(Projected(np.zeros(8, np.float32), 0, 2.0))
  answer = served.client.get(f'/api/belonging/0/{name}').json()
  assert 'p = 0.01' in answer['text']
  answer = served.client.get('/api/belonging/0/p99')
  assert (answer.status_code, 'none of this name' in answer.json()['error']) == (400, True)


def test_what_was_loaded_is_told_after_what_was_found(served):
  load = lambda data: served.client.post('/api/directions/0?name=d.npz', content=data)
  assert load(made(['smiling']).read()).json() == {'names': ['smiling']}
  found = served.client.get('/api/directions/0').json()
  assert found[-1] == {'name': 'smiling', 'share': None}
  assert load(b'no').status_code == 400
  assert served.client.get('/api/directions/0').json() == found


def test_a_model_that_was_closed_meanwhile_has_what_was_loaded(models, monkeypatch):
  monkeypatch.setattr(gallery, '_MOST_OPEN', 1)
  monkeypatch.setattr(gallery.opening, 'open_model', lambda *of: models[0])
  found = Gallery([Entry('a'), Entry('b')])
  found.load(0, made(['smiling']).read(), 'd.npz')
  first = found.painter(0)
  assert 'smiling' not in found.painter(1).directions.names
  assert found.painter(0) is not first
  assert found.painter(0).directions.names[-1] == 'smiling'
