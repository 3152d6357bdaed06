"""The page that draws by itself, opened from a disk in a real browser.

What draws is on npm: GAN_JAX_ONNXRUNTIME_WEB names the archive of `npm pack onnxruntime-web`, or a
folder of it, for the tests that draw; they need the package onnx, too.
"""

import base64
import gzip
import html
import importlib.util
import json
import math
import os
import re
import time

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import gan_jax
from gan_jax import export, pages
from gan_jax.errors import UserError
from gan_jax.sampling import about as marks
from gan_jax.sampling import programs
from gan_jax.sampling.sampler import slerp
from gan_jax.share import card, folder, onnx_model, page, web_runtime
from gan_jax.share.web_runtime import Runtime
from tests.sampling import drawn

PACKAGE = os.environ.get('GAN_JAX_ONNXRUNTIME_WEB', '')
needed = pytest.mark.skipif(
  not PACKAGE or not importlib.util.find_spec('onnx'),
  reason='takes onnx, and onnxruntime-web (GAN_JAX_ONNXRUNTIME_WEB)',
)
HOSTILE = '</script><img src=x onerror="alert(1)">&'
NAMES = ('cat', HOSTILE, '猫')
FAKE = Runtime('1.30.0', b'var ort = 1;', b'export default 0;', b'\0asm')
MEDICAL = {'name': 'scans', 'medical': True, 'modality': 'MR', 'not_for': 'sale'}


def about_of(model, **changes):
  told = card.About(
    name=HOSTILE,
    architecture=model.name,
    shape=(*model.resolution, model.channels),
    dtype=model.dtype.name,
    latent_size=model.z_dim,
    num_classes=model.num_classes,
    class_names=model.class_names and NAMES[: model.num_classes],
    truncates=model.has_mean,
    step=5,
    images=4000,
    weights=100,
    dataset={'name': 'scans', 'full_name': 'scans/1.0.0'},
    data_licence='CC BY 4.0',
    licence='cc-by-4.0',
    versions={},
    opens=True,
    scores=[],
    audits=[],
  )
  return told._replace(**changes)


class Drawing:
  """What tests do with the page."""

  def __init__(self, driver, path):
    self.driver, self.saved = driver, path.parent / 'saved'
    allowed = {'behavior': 'allow', 'downloadPath': str(self.saved)}
    driver.execute_cdp_cmd('Browser.setDownloadBehavior', allowed)
    driver.get_log('performance')
    driver.get(path.as_uri())

  def until(self, condition, what=''):
    WebDriverWait(self.driver, 120, 0.05).until(lambda driver: condition(), what)

  def id(self, name):
    return self.driver.find_element('id', name)

  def shown(self, name):
    """What is drawn at a place, as the page has it."""
    return json.loads(self.id(name).get_attribute('data-drawn') or 'null')

  def board(self, action, condition):
    """Does something, and waits until a board is drawn of which the condition is true."""
    action()
    self.until(lambda: (found := self.shown('board')) and condition(found), 'the board')
    return self.shown('board')

  def put(self, name, value):
    self.id(name).send_keys(Keys.CONTROL, 'a', Keys.NULL, str(value), Keys.ENTER)

  def slide(self, name, keys):
    self.id(name).send_keys(*keys)

  def save(self, button):
    """Pixels and texts of the file that a button saves, and its name."""
    before = set(self.saved.glob('*.png'))
    self.id(button).click()
    deadline = time.monotonic() + 60
    while not (found := set(self.saved.glob('*.png')) - before):
      assert time.monotonic() < deadline, 'nothing was saved'
      time.sleep(0.05)
    (path,) = found
    with Image.open(path) as image:
      return np.asarray(image).astype(int), dict(image.text), path.name

  def check_calm(self):
    """Nothing went wrong, and nothing was asked of anyone."""
    assert [e for e in self.driver.get_log('browser') if e['level'] in ('SEVERE', 'WARNING')] == []
    found = [json.loads(e['message'])['message'] for e in self.driver.get_log('performance')]
    urls = [
      m['params']['request']['url'] for m in found if m['method'] == 'Network.requestWillBeSent'
    ]
    assert any(url.startswith('file:') for url in urls)
    own = 'blob:null/', 'data:'
    assert [url for url in urls if not url.startswith(own)] == [self.driver.current_url]


def as_board(images, columns):
  """`[N, H, W, C]` as the page lays them out, what is left over 0."""
  count, height, width, channels = images.shape
  rows = math.ceil(count / columns)
  filled = np.zeros((rows * columns, height, width, channels), int)
  filled[:count] = images
  whole = filled.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
  return whole.reshape(rows * height, columns * width, channels)


def differs(found, expected, dtype):
  """By how many levels of 255."""
  level = 257 if dtype == np.uint16 else 1
  return np.abs(found.reshape(expected.shape) - expected.astype(int)).max() / level


def test_everything_is_within_and_shows_as_text():
  told = about_of(drawn.model('dcgan', (16, 16), 1), dataset=MEDICAL | {'not_for': HOSTILE})
  text = page.page(told, b'model', FAKE, noisy=True)
  assert text == page.page(told, b'model', FAKE, noisy=True)
  assert '<img src=x' not in text
  assert html.escape(HOSTILE) in text.replace('&#34;', '&quot;')
  assert not re.search(r'(?:src|href)="(?!data:,)', text), 'nothing beside it is asked for'
  assert 'https://' not in text.replace('https://cv.iptc.org', '')
  policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
  assert "default-src 'none'" in policy
  assert 'connect-src' not in policy, 'none: by the default'
  shown = html.unescape(text)
  for sentence in card.limits_of(told):
    assert sentence in shown
  assert 'Not for clinical use: images of medicine (MR). Not for diagnosis' in shown
  assert 'but for noise, which is the same' in shown
  assert 'Permission is hereby granted, free of charge' in shown
  assert 'CC BY 4.0' in shown
  parts = dict(re.findall(r'id="part-(\w+)">([\w+/=]*)</script>', text))
  found = {name: gzip.decompress(base64.b64decode(each)) for name, each in parts.items()}
  assert found == {
    **{'script': FAKE.script, 'module': FAKE.module, 'binary': FAKE.binary, 'model': b'model'}
  }


@pytest.mark.parametrize(('names', 'told'), [(NAMES, list(NAMES)), ((), ['0', '1', '2'])])
def test_what_is_not_known_is_said_so_and_classes_have_their_names_or_numbers(names, told):
  about = about_of(drawn.model('dcgan', (16, 16), 1), class_names=names)
  text = page.page(about._replace(licence='', data_licence=''), b'model', FAKE, noisy=False)
  shown = dict(re.findall('<dt>(.*?)</dt><dd>(.*?)</dd>', text))
  assert shown['Licence of the weights'] == 'not stated'
  assert shown['Licence of the data'].startswith('not known')
  (given,) = re.findall(r'id="about-model">(.*?)</script>', text)
  assert json.loads(given)['classes'] == told


@pytest.mark.parametrize(
  ('prints', 'line'),
  [
    ({}, 'Dataset scans/1.0.0.'),
    ({'train': 'a1', 'test': 'b2'}, 'Dataset scans/1.0.0; fingerprints: train a1, test b2.'),
  ],
)
def test_a_card_names_the_data_with_the_fingerprints_that_are_known(prints, line):
  about = about_of(drawn.model('dcgan', (16, 16), 1))
  text = card.text(about._replace(dataset={**about.dataset, 'fingerprints': prints}))
  assert line in text.splitlines()


@pytest.mark.parametrize(
  ('shape', 'dtype', 'classes', 'what'),
  [
    ((16, 24, 1), 'uint8', 0, 'grey images, 24×16 pixels, no classes'),
    ((16, 16, 1), 'uint16', 3, 'grey images of 16 bits, 16×16 pixels, 3 classes'),
    ((16, 16, 3), 'uint8', 3, 'RGB images, 16×16 pixels, 3 classes'),
    ((16, 16, 4), 'uint8', 3, 'RGBA images, 16×16 pixels, 3 classes'),
  ],
)
def test_a_card_says_what_the_images_are(shape, dtype, classes, what):
  model = drawn.model('dcgan', (16, 16), 1)
  told = about_of(model, shape=shape, dtype=dtype, num_classes=classes, class_names=())
  said = 'architecture dcgan, 100 weights, latents of 8 numbers, after 4,000 real images.'
  assert f'A generator of {what}: {said} Its images are synthetic.' in card.text(told).splitlines()


@pytest.mark.parametrize(
  ('names', 'line'),
  [
    ((), None),  # numbers alone say nothing
    (('cat', 'a|b'), r'Classes: 0 cat, 1 a\|b.'),
    ('x' * 40, 'Classes: ' + ', '.join(f'{n} x' for n in range(40)) + '.'),
    ('x' * 43, 'Classes: ' + ', '.join(f'{n} x' for n in range(40)) + ' and 3 more.'),
  ],
)
def test_a_card_names_the_classes_that_have_names_up_to_forty(names, line):
  told = about_of(drawn.model('dcgan', (16, 16), 1), num_classes=len(names) or 3)
  lines = card.text(told._replace(class_names=tuple(names))).splitlines()
  assert [each for each in lines if each.startswith('Classes:')] == ([line] if line else [])


def test_a_card_has_every_sentence_of_every_audit_as_text():
  audits = [
    {
      'title': 'Who is | drawn',
      'sentences': [
        {'level': 'bad', 'text': 'Too few\n<b>cats</b>.'},
        'no sentence',
        {'level': 'note', 'text': 'Of 100 images.'},
      ],
    },
    {'name': 'scope', 'sentences': [{'level': 'good', 'text': 'Within.'}]},
  ]
  about = about_of(drawn.model('dcgan', (16, 16), 1))
  section = lambda told: re.search('## Audits\n\n(.*?)\n\n## Limits', card.text(told), re.DOTALL)[1]
  assert section(about._replace(audits=audits)).splitlines() == [
    *(r'**Who is \| drawn**', '', '- bad: Too few &lt;b&gt;cats&lt;/b&gt;.'),
    *('- note: Of 100 images.', '', '**scope**', '', '- good: Within.'),
  ]
  assert section(about).startswith('None were run')


def test_a_model_that_no_browser_could_hold_is_refused():
  page.check(37_500_000)
  with pytest.raises(UserError, match=r'--page: the generator has 151 MB; accepted: up to 150'):
    page.check(37_700_000)


def test_latents_and_pictures_are_made_as_elsewhere(browser, tmp_path):
  """Latents against JAX, the arc against ours, PNG of every kind against Pillow."""
  path = tmp_path / 'parts.html'
  scripts = ''.join(pages.text_of(f'draw/{name}.js') for name in ('latents', 'png'))
  path.write_text(f'<!doctype html><title>parts</title><script>{scripts}</script>')
  browser.get(path.as_uri())
  seeds = [0, 1, 2, 12345, 2**31, 2**32 - 1]
  run = lambda code, *given: browser.execute_script(f'return {code}', *given)
  found = np.array(run('arguments[0].map((seed) => [...latent(seed, 4096)])', seeds), np.float32)
  expected = programs.latents(seeds, np.zeros(len(seeds), np.int32), 4096)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

  rows = np.stack([expected[0, :64], expected[1, :64], np.zeros(64)])
  code = """((rows) => [0, 1, 2].flatMap((n) => [0, 0.3, 1].map((t) =>
    [...between(Float32Array.from(rows[0]), Float32Array.from(rows[n]), t)])))(arguments[0])"""
  found = np.array(run(code, rows.tolist()))
  ends, shares = jnp.asarray(rows, jnp.float32).repeat(3, axis=0), jnp.array([0.0, 0.3, 1.0] * 3)
  wanted = slerp(jnp.tile(ends[:1], (9, 1)), ends, shares)
  np.testing.assert_allclose(found[:6], wanted[:6], atol=1e-5)
  assert np.isfinite(found).all(), 'a latent of zeros has no angle'

  code = """(async (done) => {
    const [pixels, kind, size, texts] = arguments;
    const file = await png(globalThis[kind].from(pixels), size, texts);
    const bytes = new Uint8Array(await file.arrayBuffer());
    done(btoa(String.fromCharCode(...bytes)));
  })(arguments[4])"""
  rng = np.random.default_rng(0)
  kinds = {'L': (1, np.uint8), 'I;16': (1, np.uint16), 'RGB': (3, np.uint8), 'RGBA': (4, np.uint8)}
  for mode, (channels, dtype) in kinds.items():
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (5, 7, channels)).astype(dtype)
    size = {'height': 5, 'width': 7, 'channels': channels}
    kind = 'Uint16Array' if dtype == np.uint16 else 'Uint8Array'
    given = pixels.ravel().tolist(), kind, size, {'Seed': '3', 'Class': '猫'}
    file = tmp_path / 'found.png'
    file.write_bytes(base64.b64decode(browser.execute_async_script(code, *given)))
    with Image.open(file) as image:
      image.load()
      assert (image.mode, image.text) == (mode, {'Seed': '3', 'Class': '猫'})
      np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_a_browser_that_cannot_draw_says_why(browser, tmp_path):
  """The last time it has everything, but what is to draw is broken."""
  path = tmp_path / 'page.html'
  path.write_text(page.page(about_of(drawn.model('dcgan')), b'model', FAKE, noisy=False))
  for lacks, said in (
    ('WebAssembly', 'it has no WebAssembly.'),
    ('DecompressionStream', 'it has no DecompressionStream.'),
    ('Worker', 'it has no workers.'),
    ('', ''),
  ):
    code = {'source': f'delete globalThis.{lacks}' if lacks else ''}
    added = browser.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument', code)
    drawing = Drawing(browser, path)
    status = lambda of=drawing: of.id('status').text
    drawing.until(lambda of=status: 'This browser cannot draw' in of())
    assert said in status()
    assert 'Firefox from 114' in status()
    assert not drawing.id('board').is_displayed()
    assert 'Licence of the data' in browser.find_element('tag name', 'main').text
    browser.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument', added)


def made(tmp_path, model, noisy=False, **changes):
  """A page of a model."""
  path = tmp_path / 'page.html'
  onnx = onnx_model.generator(model.generator, model.variables, model.dtype)
  text = page.page(about_of(model, **changes), onnx, web_runtime.read(PACKAGE), noisy)
  path.write_text(text, encoding='utf-8')
  return path


@needed
@pytest.mark.slow
def test_it_draws_what_gan_jax_draws_by_every_control(browser, tmp_path):
  """Grey of 16 bits, not square, with classes; of medicine."""
  model = drawn.model('dcgan', (16, 24), 1, np.uint16)
  drawing = Drawing(browser, made(tmp_path, model, dataset=MEDICAL))
  found = drawing.board(lambda: None, lambda found: len(found) == 32)
  assert [each['label'] for each in found[:4]] == [0, 1, 2, 0], 'the classes in turn'
  expect = lambda seeds, labels, truncation=1.0: model.images(
    programs.latents(seeds, np.zeros(len(seeds), int), model.z_dim), labels, truncation=truncation
  )
  tiles = browser.find_elements('css selector', '#board .tile')
  assert tiles[1].get_attribute('aria-label') == f'seed 1, class {HOSTILE}'
  assert not browser.find_elements('css selector', 'main img[src=x]')
  assert 'Not for clinical use' in browser.find_element('tag name', 'header').text

  pixels, texts, name = drawing.save('save-board')
  expected = expect(range(32), np.arange(32) % 3)
  assert np.ptp(expected) > 2**12
  assert differs(pixels, as_board(expected, 6), np.uint16) <= 1
  assert name.startswith('synthetic_script_img')
  assert 'board' in name
  assert (texts['Seeds'], texts['Images']) == ('0 to 31', '32')

  drawing.put('count', 5)
  drawing.board(lambda: None, lambda found: len(found) == 5)
  found = drawing.board(drawing.id('new-seeds').click, lambda found: found[0]['seed'] == 5)
  drawing.put('seed', 2**32 - 2)
  found = drawing.board(lambda: None, lambda found: found[0]['seed'] == 2**32 - 2)
  assert [each['seed'] for each in found] == [2**32 - 2, 2**32 - 1, 0, 1, 2]
  choose = lambda: Select(drawing.id('class')).select_by_index(3)
  drawing.board(choose, lambda found: {each['label'] for each in found} == {2})
  to = lambda: drawing.slide('truncation', [Keys.ARROW_LEFT] * 6)
  drawing.board(to, lambda found: found[0]['truncation'] == 0.7)

  tile = browser.find_elements('css selector', '#board .tile')[3]
  tile.click()
  drawing.until(lambda: drawing.id('selected-about').text == 'seed 1, class 猫, truncation 0.7')
  pixels, texts, name = drawing.save('save')
  assert differs(pixels, expect([1], [2], 0.7), np.uint16) <= 1
  assert name.startswith('synthetic_')
  assert name.endswith('seed_1_class_猫_truncation_0.7.png')
  assert texts['Description'].startswith('Synthetic image made by a trained generator: Model dcgan')
  assert texts['Synthetic'] == marks.SYNTHETIC
  assert marks.SYNTHETIC in texts['XML:com.adobe.xmp']
  assert (texts['Seed'], texts['Class'], texts['Truncation']) == ('1', '猫', '0.7 times the latent')
  assert 'Not for diagnosis' in texts['Limits of use']
  assert texts['Licence of the data'] == 'CC BY 4.0'

  drawing.id('as-from').click()
  drawing.put('to', 7)
  drawing.slide('at', [Keys.ARROW_LEFT] * 5)
  way = {'seed': 1, 'to': 7, 'at': 0.4, 'label': 2, 'truncation': 0.7}
  drawing.until(lambda: drawing.shown('way') == way, 'the way')
  pixels, texts, _ = drawing.save('save-way')
  ends = programs.latents([1, 7], np.zeros(2, int), model.z_dim)
  at = np.asarray(slerp(jnp.array(ends[:1]), jnp.array(ends[1:]), jnp.array([0.4])))
  assert differs(pixels, model.images(at, [2], truncation=0.7), np.uint16) <= 1
  assert texts['Seed'] == '1 to 7, at 0.4'
  tile.send_keys(Keys.ARROW_LEFT, Keys.ENTER)
  drawing.until(lambda: drawing.id('selected-about').text.startswith('seed 0'))
  drawing.id('as-to').click()
  Select(drawing.id('way-class')).select_by_index(0)
  drawing.until(lambda: drawing.shown('way') == way | {'to': 0, 'label': 0})
  drawing.check_calm()


@needed
@pytest.mark.slow
def test_transparency_no_classes_and_truncation_of_w_on_a_phone(browser, tmp_path):
  model = drawn.model('stylegan2', (16, 16), 4, classes=0)
  size = {'width': 360, 'height': 740, 'deviceScaleFactor': 2, 'mobile': True}
  browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
  feature = {'name': 'prefers-color-scheme', 'value': 'dark'}
  browser.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [feature]})
  drawing = Drawing(browser, made(tmp_path, model, noisy=True))
  drawing.board(lambda: None, lambda found: len(found) == 32)
  drawing.put('count', 4)
  to = lambda: drawing.slide('truncation', [Keys.ARROW_LEFT] * 6)
  drawing.board(to, lambda found: found[0]['truncation'] == 0.7 and len(found) == 4)
  pixels, texts, _ = drawing.save('save-board')
  latents = programs.latents(range(4), np.zeros(4, int), model.z_dim)
  expected = model.images(latents, truncation=0.7, fixed_noise=True)
  assert np.ptp(expected) > 16
  assert differs(pixels, as_board(expected, 2), np.uint8) <= 1
  assert texts['Truncation'] == '0.7 of the way of w from its mean'
  assert texts['Noise'] == 'the same for all pictures'
  assert 'Class' not in texts
  assert not drawing.id('class').is_displayed()

  run = browser.execute_script
  assert run('return document.documentElement.dataset.theme') == 'dark'
  colour = lambda: run('return getComputedStyle(document.body).backgroundColor')
  before = colour()
  drawing.id('theme').click()
  drawing.until(lambda: colour() != before)
  assert run('return document.documentElement.scrollWidth') <= 360
  unnamed = run("""
    return [...document.querySelectorAll('button, input, select, [role=option], img')].filter((e) =>
      e.checkVisibility() && !(e.textContent.trim() || e.labels?.length || e.ariaLabel || e.title
        || (e.tagName === 'IMG' && (e.alt || e.parentNode.ariaLabel)))).map((e) => e.outerHTML)
  """)
  assert unnamed == []
  # Everything is reached by the keyboard, in the order in which it stands.
  order = []
  run('document.getElementById("theme").focus()')
  for _ in range(20):
    browser.switch_to.active_element.send_keys(Keys.TAB)
    order.append(run('return document.activeElement.id || document.activeElement.role'))
  wanted = ['count', 'seed', 'new-seeds', 'truncation', 'save-board', 'option', 'save', 'as-from']
  assert order[:13] == [*wanted, 'as-to', 'from', 'to', 'at', 'save-way']
  drawing.check_calm()


@needed
def test_the_exported_folder_holds_it_and_is_taken_back(finished, tmp_path):
  out = tmp_path / 'shared'
  export.export(finished[0], str(out), page=True, runtime=PACKAGE)
  assert (out / folder.ONNX).exists()
  assert f'[{folder.PAGE}]({folder.PAGE}) draws in a browser' in (out / folder.CARD).read_text()
  text = (out / folder.PAGE).read_text(encoding='utf-8')
  packed = re.search(r'id="part-model">([^<]*)<', text)[1]
  assert gzip.decompress(base64.b64decode(packed)) == (out / folder.ONNX).read_bytes()
  again = gan_jax.open(str(out)).sample(2, seed=3)
  np.testing.assert_array_equal(again, gan_jax.open(finished[0]).sample(2, seed=3))
