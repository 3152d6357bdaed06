import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from gan_jax import pages

HOSTILE = '</script><img src=x onerror="alert(1)">&\''


def read(address):
  kind, _, data = address.partition(';base64,')
  return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_a_small_picture_is_held_to_the_bit(channels):
  pixels = np.random.default_rng(0).integers(0, 256, (16, 24, channels), np.uint8)
  kind, found = read(pages.picture(pixels))
  assert kind == 'data:image/png'
  np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)


def test_a_large_picture_is_held_in_few_bytes():
  y, x = np.indices((400, 400))
  smooth = np.stack([y / 2, x / 2, (x + y) / 4], -1)
  pixels = (
    (smooth + np.random.default_rng(0).normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
  )
  kind, found = read(pages.picture(pixels))
  assert kind == 'data:image/webp'
  assert np.abs(found[..., :3].astype(float) - pixels).mean() < 8


def test_what_stands_in_a_script_cannot_end_it():
  text = str(pages.as_script({'name': HOSTILE}))
  assert '<' not in text
  assert json.loads(text) == {'name': HOSTILE}


def test_every_text_of_a_template_shows_as_text(tmp_path, monkeypatch):
  (tmp_path / 'a.html').write_text('<p>{{ text }}</p>')
  monkeypatch.setattr(pages, 'FOLDER', tmp_path)
  shown = pages.render('a.html', text=HOSTILE)
  assert '<img' not in shown
  assert '</script>' not in shown


def test_what_a_template_needs_and_is_not_given_is_an_error(tmp_path, monkeypatch):
  (tmp_path / 'a.html').write_text('{{ text }}')
  monkeypatch.setattr(pages, 'FOLDER', tmp_path)
  with pytest.raises(Exception, match="'text' is undefined"):
    pages.render('a.html')
