import asyncio
import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_jax.errors import NonFiniteError, UserError
from gan_jax.exploring.painter import Projected
from gan_jax.exploring.worker import BusyError
from gan_jax.latents.projection import Projections

from .conftest import CLASSES, PORT, Made, Served, plain


def asked(*seeds, model=0, **more):
  recipes = [{'keyframes': [{'all': {'seed': seed}}]} for seed in seeds]
  return {'model': model, 'recipes': recipes, **more}


def pixels(address):
  data = base64.b64decode(address.removeprefix('data:image/png;base64,'))
  return np.asarray(Image.open(io.BytesIO(data)))


def png(array):
  file = io.BytesIO()
  Image.fromarray(array).save(file, format='PNG')
  return file.getvalue()


def bomb(side=60_000):
  """A PNG that claims so many pixels, and is small."""
  chunk = lambda kind, data: (
    struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
  )
  header = struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0)
  parts = chunk(b'IHDR', header), chunk(b'IDAT', zlib.compress(bytes(1000))), chunk(b'IEND', b'')
  return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def test_models_are_told_with_what_can_be_done_with_each(served):
  titles = [each['title'] for each in served.client.get('/api/models').json()]
  assert titles == ['runs/dcgan, 0 images', 'runs/stylegan2, 100 images']
  plain_one, styled_one = (served.client.get(f'/api/model/{n}').json() for n in range(2))
  assert plain_one['classes'] == list(CLASSES)
  assert plain_one['layers'] == []
  assert sum(styled_one['layers']) == served.gallery.painter(1).model.styles_shape[0]
  assert served.client.get('/api/model/2').json()['error'] == 'model=2: accepted: 0 to 1'
  found = served.client.get('/api/directions/0').json()
  assert [each['name'] for each in found][:2] == ['component1', 'component2']
  assert 0 < found[0]['share'] <= 1


def test_pictures_are_those_of_the_model(served):
  images = served.client.post('/api/draw', json=asked(3, 4)).json()['images']
  model = served.gallery.painter(0).model
  for seed, image in zip((3, 4), images, strict=True):
    np.testing.assert_array_equal(
      pixels(image), model.images(model.latents(1, seed=seed), [0])[0, ..., 0]
    )


@pytest.mark.parametrize(
  'data',
  [
    b'', b'{', b'[]', b'"x"', b'{"recipes": NaN}', b'[' * 10_000, b'\xff\xfe', b'{"other": 1}',
    b'{"model": "0", "recipes": []}', b'{"model": true}', b'{"model": 9, "recipes": []}',
    b'{"recipes": [{"keyframes": [{"all": {"seed": -1}}]}]}',
    b'{"directions_of": 9, "recipes": []}',
  ],
)  # fmt: skip
def test_a_malformed_request_is_refused_in_a_line(served, data):
  for path in ('/api/draw', '/api/save'):
    answer = served.client.post(path, content=data)
    assert answer.status_code == 400, answer.text
    assert 'accepted' in answer.json()['error'] or 'no JSON' in answer.json()['error']
  assert served.client.post('/api/draw', json=asked(1)).status_code == 200


def call(served, path, receive, headers=()):
  """A request as a server hands it on, whatever a client would have made of it."""
  cookie = f'explore_{PORT}={served.client.cookies[f"explore_{PORT}"]}'
  given = {'host': f'127.0.0.1:{PORT}', 'origin': f'http://127.0.0.1:{PORT}', 'cookie': cookie}
  scope = {
    'type': 'http', 'method': 'POST', 'path': path, 'raw_path': path.encode(), 'root_path': '',
    'query_string': b'', 'scheme': 'http', 'http_version': '1.1', 'client': None, 'server': None,
    'headers': [(k.encode(), v.encode()) for k, v in {**given, **dict(headers)}.items()],
  }  # fmt: skip
  sent = []

  async def send(message):
    sent.append(message)

  async def run():
    await served.app(scope, receive, send)
    return (
      sent[0]['status'],
      dict(sent[0]['headers']),
      b''.join(m.get('body', b'') for m in sent[1:]),
    )

  return run()


@pytest.mark.parametrize('path', ['/api/open/0', '/api/draw'])
def test_a_gigabyte_that_is_said_is_not_read(served, path):
  async def receive():
    raise AssertionError('nothing is to be read')

  status, headers, text = asyncio.run(call(served, path, receive, {'content-length': str(2**30)}))
  assert status == 413
  assert headers[b'connection'] == b'close'
  assert 'MB are not taken' in json.loads(text)['error']


@pytest.mark.parametrize('said', [{}, {'content-length': '5'}])
def test_a_gigabyte_that_is_not_said_is_read_to_the_bound(served, said):
  received = 0

  async def receive():
    nonlocal received
    received += 1
    return {'type': 'http.request', 'body': bytes(2**20), 'more_body': received < 1024}

  status, _, _ = asyncio.run(call(served, '/api/open/0', receive, said))
  assert status == 413
  assert received <= 65


def test_a_length_that_is_no_number_is_refused(served):
  async def receive():
    raise AssertionError('nothing is to be read')

  for length in ('-1', 'x', '1e9', '٣'.encode().decode('latin-1')):
    status, _, _ = asyncio.run(call(served, '/api/open/0', receive, {'content-length': length}))
    assert status == 413


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    (bomb(), 'pixels'),
    (b'', 'an empty file'),
    (b'GIF89a', 'x.png'),
    (png(np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8))[:80], 'broken or truncated'),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'of no image format'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'x.png'),
  ],
)
def test_what_is_no_image_within_bounds_is_refused(served, data, message):
  answer = served.client.post('/api/open/0?name=x.png', content=data)
  assert answer.status_code == 400
  assert message in answer.json()['error']


def test_fifty_clicks_at_once_are_answered_in_order_and_none_is_lost(served):
  order = []

  async def click(seed):
    body = json.dumps(asked(seed)).encode()

    async def receive():
      return {'type': 'http.request', 'body': body, 'more_body': False}

    status, _, text = await call(served, '/api/draw', receive)
    order.append(seed)
    return status, json.loads(text)['images'][0]

  async def all_of_them():
    return await asyncio.gather(*(click(seed) for seed in range(50)))

  answers = asyncio.run(all_of_them())
  assert [status for status, _ in answers] == [200] * 50
  assert order == list(range(50))
  model = served.gallery.painter(0).model
  expected = model.images(np.concatenate([model.latents(1, seed=n) for n in range(50)]), 0)
  for (_, image), one in zip(answers, expected, strict=True):
    np.testing.assert_array_equal(pixels(image), one[..., 0])


def test_a_saved_picture_carries_its_recipe_and_opens_by_it(served):
  source = {'seed': 7, 'class': 1, 'truncation': 0.5, 'directions': {'component1': 2.0}}
  recipe = {'keyframes': [{'all': source}], 'at': 0.0}
  answer = served.client.post('/api/save', json={'model': 0, 'recipes': [recipe]})
  assert answer.headers['content-type'] == 'image/png'
  with Image.open(io.BytesIO(answer.content)) as file:
    assert json.loads(file.text['Recipe']) == [recipe]
    assert file.text['Model'] == 'dcgan'
    assert 'trainedAlgorithmicMedia' in file.text['Synthetic']
  opened = served.client.post('/api/open/0?name=x.png', content=answer.content).json()
  assert opened == {'recipes': [recipe]}


@pytest.mark.parametrize(('channels', 'dtype'), [(1, 'uint16'), (4, 'uint8')])
def test_a_saved_picture_has_the_depth_and_the_channels_of_the_model(channels, dtype):
  served = Served(Made([plain(channels=channels, dtype=dtype)]))
  answer = served.client.post('/api/save', json=asked(1))
  found = np.asarray(Image.open(io.BytesIO(answer.content)))
  model = served.gallery.painter(0).model
  expected = model.images(model.latents(1, seed=1), [0])[0]
  np.testing.assert_array_equal(found.reshape(expected.shape), expected)
  served.explorer.close()


def test_a_projected_picture_opens_where_it_was_never_projected(models, served):
  at = np.random.default_rng(0).normal(size=8).astype(np.float32)
  name = served.gallery.keep(Projected(at, 1))
  recipe = {'keyframes': [{'all': {'projection': name, 'class': 1}}]}
  saved = served.client.post('/api/save', json={'recipes': [recipe]}).content
  other = Served(Made(models))
  other.gallery.keep(Projected(0 * at, 0))  # of the same name
  (opened,) = other.client.post('/api/open/0', content=saved).json()['recipes']
  again = other.client.post('/api/save', json={'recipes': [opened]}).content
  read = lambda data: np.asarray(Image.open(io.BytesIO(data)))
  np.testing.assert_array_equal(read(again), read(saved))
  refused = other.client.post('/api/open/1', content=saved)
  assert refused.status_code == 400
  assert 'this model' in refused.json()['error']
  other.explorer.close()


def open_with(served, texts):
  """The answer to a grey picture that holds texts by their names."""
  info, file = PngInfo(), io.BytesIO()
  for name, text in texts.items():
    info.add_text(name, text)
  Image.new('L', (16, 16)).save(file, format='PNG', pnginfo=info)
  return served.client.post('/api/open/0?name=x.png', content=file.getvalue())


def test_a_latent_of_a_recipe_is_taken_where_all_of_it_are_numbers(served):
  recipe = '[{"keyframes": [{"all": {"projection": "p1"}}]}]'
  for last, status in ((7.0, 200), (np.nan, 400), (-np.inf, 400)):
    numbers = np.array([*range(7), last], '<f4')
    latent = {'shape': [8], 'float32': base64.b64encode(numbers).decode(), 'class': 0}
    answer = open_with(served, {'Recipe': recipe, 'Latents': json.dumps({'p1': latent})})
    assert answer.status_code == status, answer.text
  np.testing.assert_array_equal(served.gallery.projected('p1').at, np.arange(8))


@pytest.mark.parametrize(
  'texts',
  [
    {'Recipe': '{'},
    {'Recipe': '[]'},
    {'Recipe': '[{"keyframes": [{"all": {"seed": -1}}]}]'},
    {'Recipe': '[{"keyframes": [{"all": {"projection": "p1"}}]}]', 'Latents': '[1]'},
    {'Recipe': '[{"keyframes": [{"all": {}}]}]', 'Latents': '{"p1": {"float32": "AAAA"}}'},
    {'Recipe': '[{"keyframes": [{"all": {}}]}]', 'Latents': '{"p1": 3}'},
  ],
)
def test_a_spoilt_recipe_is_refused(served, texts):
  answer = open_with(served, texts)
  assert answer.status_code == 400, answer.text


def test_an_image_is_read_as_the_dataset_was_and_its_projection_can_be_drawn(served, monkeypatch):
  seen = []

  class Nearest:
    """Finds zero, whatever it is given: how well is tested where projections are made."""

    likeness = type('Likeness', (), {'of': 'samples'})

    def project(self, images):
      seen.append(images)
      row = np.ones(1)
      return Projections(np.zeros((1, 8)), np.ones(1, int), images, row, row, row)

  monkeypatch.setattr(served.gallery.painter(0), 'projector', Nearest(), raising=False)
  # Twice as wide as high, its middle white: cut to the middle, scaled, grey.
  image = np.zeros((32, 64, 3), np.uint8)
  image[:, 8:56] = 255
  found = served.client.post('/api/open/0?name=%3Cb%3E.png', content=png(image)).json()
  assert (seen[0] == 255).all()
  assert seen[0].shape == (1, 16, 16, 1)
  assert 'pixel error 100.0% of the variance of samples' in found['text']
  source = {'projection': found['projection'], 'class': found['class']}
  drawn = served.client.post('/api/draw', json={'recipes': [{'keyframes': [{'all': source}]}]})
  model = served.gallery.painter(0).model
  expected = model.images(np.zeros((1, 8)), [1])[0, ..., 0]
  np.testing.assert_array_equal(pixels(drawn.json()['images'][0]), expected)


def test_what_stops_an_answer_is_told_with_whose_it_is(served, monkeypatch):
  for error, status, told in (
    (UserError('--x: accepted: y'), 400, '--x: accepted: y'),  # the request's
    (NonFiniteError('NaN at pixels'), 422, 'NaN at pixels'),  # the model's
    (BusyError(), 503, 'too much is asked for at once; try again'),
  ):

    def stopped(*_, error=error):
      raise error

    monkeypatch.setattr(served.gallery, 'painter', stopped)
    answer = served.client.post('/api/draw', json=asked(1))
    assert (answer.status_code, answer.json()) == (status, {'error': told})


def test_a_fault_is_told_and_the_next_is_answered(served, monkeypatch):
  served.client._transport.raise_server_exceptions = False
  with monkeypatch.context() as patch:
    patch.setattr(served.gallery, 'painter', lambda place: 1 / 0)
    answer = served.client.post('/api/draw', json=asked(1))
  assert answer.status_code == 500
  assert answer.json() == {'error': 'a fault; the terminal says more'}
  assert served.client.post('/api/draw', json=asked(1)).status_code == 200


@pytest.mark.parametrize(
  'path', ['/explore/../base.html', '/explore/%2e%2e/base.html', '/base.html']
)
def test_of_the_package_only_the_pages_own_files_are_served(served, path):
  assert served.client.get('/explore/main.js').status_code == 200
  assert served.client.get('/base.css').headers['content-type'].startswith('text/css')
  assert served.client.get(path).status_code == 404
