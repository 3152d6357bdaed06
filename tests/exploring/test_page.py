"""The page in a real browser, by pointer and by keyboard alone."""

import io
import json
import re
import time

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from gan_jax import edit
from gan_jax.exploring.serving import serving
from gan_jax.latents.projection import Projections

from .conftest import CLASSES, Made, plain, styled


class Nearest:
  """Finds zero, whatever it is given: what is brighter is farther."""

  likeness = type('Likeness', (), {'of': 'samples'})

  def project(self, images):
    count, row = len(images), images.mean(axis=(1, 2, 3))
    return Projections(np.zeros((count, 8)), np.ones(count, int), images, row, row, row)


class Page:
  """What tests do with the page."""

  def __init__(self, driver, address):
    self.driver, self.address = driver, address
    driver.get(address)
    self.until(lambda: len(set(self.board())) > 1 and self.id('directions-reset').is_displayed())

  def until(self, condition, what=''):
    WebDriverWait(self.driver, 60, 0.05).until(lambda driver: condition(), what)

  def id(self, name):
    return self.driver.find_element('id', name)

  def board(self):
    return self.driver.execute_script(
      "return [...document.querySelectorAll('#board img')].map((image) => image.src)"
    )

  def source(self, name):
    return self.id(name).get_property('src')

  def labels(self):
    tiles = self.driver.find_elements('css selector', '#board .tile')
    return [tile.get_attribute('aria-label') for tile in tiles]

  def tile(self, n):
    return self.driver.find_elements('css selector', '#board .tile')[n]

  def changes(self, action, look=None):
    """Does something, waits until what is looked at is another, and returns that."""
    look = look or self.board
    before = look()
    action()
    drawn = lambda found: all(found) if isinstance(found, list) else found
    self.until(lambda: look() != before and drawn(look()), 'a change')
    return look()

  def focused(self):
    return self.driver.switch_to.active_element

  def press(self, *keys):
    for key in keys:
      ActionChains(self.driver, duration=0).send_keys(key).perform()

  def tab_to(self, name):
    """Goes on to an element as those do who have no pointer."""
    for _ in range(90):
      if (
        self.focused().get_attribute('id') == name or self.focused().get_attribute('value') == name
      ):
        return
      self.press(Keys.TAB)
    raise AssertionError(f'no way to {name} by keyboard')

  def check_calm(self):
    """Nothing went wrong, and nothing was asked of anyone else."""
    logged = self.driver.get_log('browser')
    assert [each for each in logged if each['level'] in ('SEVERE', 'WARNING')] == []
    asked = [e['message'] for e in self.driver.get_log('performance')]
    urls = {u for m in asked if 'requestWillBeSent' in m for u in re.findall(r'"url":"([^"]*)"', m)}
    origin = self.address.split('/?')[0]
    own = f'{origin}/', 'data:', f'blob:{origin}/'
    assert urls
    # The browser shows a page of its own before it is sent to ours.
    assert [url for url in urls if url and not url.startswith((*own, 'chrome', 'about:'))] == []


@pytest.fixture(scope='module')
def gallery():
  gallery = Made([styled(), plain(), styled(dtype='uint16')])
  for n in range(3):
    gallery.painter(n).warm()
  vars(gallery.painter(1))['projector'] = Nearest()
  return gallery


@pytest.fixture
def page(browser, gallery, tmp_path):
  addresses = []
  folder = {'behavior': 'allow', 'downloadPath': str(tmp_path / 'saved')}
  browser.execute_cdp_cmd('Browser.setDownloadBehavior', folder)
  with serving(gallery, 0, addresses.append):
    page = Page(browser, addresses[0])
    yield page
    page.check_calm()
    browser.get('about:blank')


def saved(tmp_path, count):
  """The files that the browser saved, once they are whole."""
  deadline = time.monotonic() + 30
  while time.monotonic() < deadline:
    found = sorted((tmp_path / 'saved').glob('*.png'), key=lambda path: path.stat().st_mtime)
    if len(found) == count:
      return found
    time.sleep(0.05)
  raise AssertionError(f'{count} files were to be saved')


def test_the_board_and_what_is_changed_on_it(page):
  first, labels = page.board(), page.labels()
  assert len(first) == 32
  assert labels[:2] == [f'seed 0, class {CLASSES[0]}', f'seed 1, class {CLASSES[1]}']
  assert not page.driver.find_elements('css selector', 'main b'), 'a name shows as text'
  assert 'token' not in page.driver.current_url

  page.changes(lambda: page.id('new-seeds').click())
  assert page.labels()[0].startswith('seed 32')
  assert page.changes(lambda: page.id('undo').click()) == first
  assert page.labels() == labels
  page.changes(lambda: page.id('count').send_keys(Keys.CONTROL, 'a', Keys.NULL, '6', Keys.ENTER))
  assert page.board() == first[:6]
  page.changes(lambda: page.id('seed').send_keys(Keys.CONTROL, 'a', Keys.NULL, '2', Keys.ENTER))
  assert page.board()[:4] == first[2:6], 'seeds and classes that were there before'

  page.changes(lambda: Select(page.id('class')).select_by_visible_text(CLASSES[1]))
  assert all(label.endswith(CLASSES[1]) for label in page.labels())
  page.changes(lambda: page.id('truncation').send_keys(Keys.HOME))
  assert len(set(page.board())) == 1, 'the mean, whatever the seed'
  page.changes(lambda: page.id('undo').click())

  page.driver.find_element('css selector', 'input[value=selected]').click()
  page.tile(2).click()
  before = page.board()
  slider = page.driver.find_element('css selector', '#directions input')
  after = page.changes(lambda: slider.send_keys(Keys.END))
  assert [n for n in range(6) if after[n] != before[n]] == [2]
  assert 'component1 4' in page.labels()[2]
  assert page.id('selected-about').text == page.labels()[2]
  assert page.changes(lambda: page.id('directions-reset').click()) == before

  page.driver.refresh()
  page.until(lambda: page.board() == before, 'what was there before it was loaded again')

  colour = lambda: page.driver.execute_script(
    'return getComputedStyle(document.body).backgroundColor'
  )
  page.changes(lambda: page.id('theme').click(), colour)


def test_styles_are_mixed_by_dragging_and_other_models_have_none(page):
  before = page.board()
  drag = lambda: ActionChains(page.driver).drag_and_drop(page.tile(3), page.tile(0)).perform()
  after = page.changes(drag)
  assert [n for n in range(32) if after[n] != before[n]] == [0]
  assert page.labels()[0].startswith('coarse of seed 3')
  assert 'fine of seed 0' in page.labels()[0]
  for name in ('middle', 'fine'):
    page.driver.find_element('css selector', f'input[value={name}]').click()
  assert page.changes(drag)[0] == before[3], 'all styles of another picture are that picture'

  page.changes(lambda: Select(page.id('model')).select_by_index(1))
  page.until(lambda: page.id('layers-none').is_displayed())
  assert not page.id('layers').is_displayed()
  drag()
  page.until(lambda: 'nothing can be mixed' in page.id('status').text)


def test_a_path_goes_from_keyframe_to_keyframe(page):
  images = page.board()
  for n in (1, 5):
    page.tile(n).click()
    page.until(lambda n=n: page.source('selected') == images[n])
    page.id('to-path').click()
  picture = lambda: page.source('path-picture')
  page.until(lambda: picture() == images[1], 'the first keyframe')
  page.changes(lambda: page.id('at').send_keys(Keys.END), picture)
  page.until(lambda: picture() == images[5], 'the second')
  page.changes(lambda: page.id('at').send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT), picture)
  assert page.id('at-value').text == '0.96'

  page.id('loop').click()
  page.until(lambda: page.id('at').get_attribute('max') == '2')
  page.changes(lambda: page.id('play').click(), picture)
  assert page.id('play').get_attribute('aria-pressed') == 'true'
  at = lambda: float(page.id('path-picture').get_attribute('data-at'))
  page.until(lambda: at() > 1.2, 'on the way back')
  page.until(lambda: at() < 0.8, 'beyond the first again')
  page.id('play').click()
  assert page.id('play').get_attribute('aria-pressed') == 'false'

  buttons = lambda: page.driver.find_elements('css selector', '#keyframes button')
  buttons()[0].click()
  page.until(lambda: len(buttons()) == 1)
  assert not page.id('path-part').is_displayed()
  page.id('undo').click()
  page.until(lambda: len(buttons()) == 2)
  page.id('path-clear').click()
  page.until(lambda: not buttons())


def test_models_stand_side_by_side_with_the_same_latents(page, gallery):
  boxes = page.driver.find_elements('css selector', 'input[name=beside]')
  for box in reversed(boxes):
    box.click()
  rows = lambda: page.driver.find_elements('css selector', '#rows .row')
  page.until(
    lambda: len(rows()) == 3 and all(len(r.find_elements('tag name', 'img')) == 8 for r in rows())
  )
  titles = [each.text for each in page.driver.find_elements('css selector', '#rows h3')]
  assert titles == [
    'runs/stylegan2, 0 images',
    'runs/dcgan, 100 images',
    'runs/stylegan2, 200 images',
  ]
  shown = [image.get_property('src') for image in rows()[0].find_elements('tag name', 'img')]
  assert shown == page.board()[:8]
  boxes[1].click()
  page.until(lambda: len(rows()) == 2)


def test_pictures_are_saved_opened_and_projected(page, tmp_path):
  page.changes(lambda: Select(page.id('model')).select_by_index(1))
  page.tile(3).click()
  page.until(lambda: page.id('selected-about').text.startswith('seed 3'))
  page.id('save').click()
  (picture,) = saved(tmp_path, 1)
  assert picture.name.startswith('seed_3_class_b_one')
  with Image.open(picture) as file:
    source = json.loads(file.text['Recipe'])[0]['keyframes'][0]['all']
  assert (source['seed'], source['class']) == (3, 1)
  page.id('save-board').click()
  board = saved(tmp_path, 2)[1]
  with Image.open(board) as file:
    assert len(json.loads(file.text['Recipe'])) == 32

  image = page.board()[3]
  page.changes(lambda: page.id('new-seeds').click())
  page.changes(lambda: page.id('file').send_keys(str(picture)))
  assert page.board()[0] == image
  assert 'carries its recipe' in page.id('status').text

  other = tmp_path / '<i>mine.png'
  other.write_bytes(png(np.full((20, 20, 3), 200, np.uint8)))
  page.changes(lambda: page.id('file').send_keys(str(other)))
  assert page.labels()[0].startswith('projection p')
  assert '<i>mine.png: pixel error' in page.id('projected-about').text
  assert page.source('given') == page.source('found')  # which is all that it finds
  page.until(lambda: 'p = ' in page.id('belonging').text, 'whether it lies outside')
  assert page.id('belonging').text == (
    'It lies outside what the model knows: farther than 95 % of 99 samples of the model, p = 0.01.'
  )

  # Dropped from elsewhere, and no image: said, and nothing is changed.
  before = page.board()
  page.driver.execute_script("""
    const files = new DataTransfer();
    files.items.add(new File(['<html>'], 'page.html'));
    for (const kind of ['dragover', 'drop'])
      document.body.dispatchEvent(
        new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
  """)
  page.until(lambda: 'page.html: of no image format' in page.id('status').text)
  assert page.board() == before
  # The browser notes that the server refused it.
  page.driver.get_log('browser')


def test_directions_of_classes_are_loaded_as_sliders(page, gallery, tmp_path):
  found = edit.edit(gallery.painter(0).model, edit.Asked(by='classes', samples=1))
  edit.write(found, str(tmp_path))
  sliders = lambda: page.driver.find_elements('css selector', '#directions input')
  before, board = len(sliders()), page.board()
  page.id('directions-file').send_keys(str(tmp_path / edit.DIRECTIONS))
  page.until(lambda: len(sliders()) == before + len(CLASSES))
  assert '2 directions of directions.npz' in page.id('status').text
  names = [each.text for each in page.driver.find_elements('css selector', '#directions label')]
  assert names[before:] == [f'class={name}' for name in CLASSES]
  moved = page.changes(lambda: sliders()[-1].send_keys(Keys.END))
  assert all(a != b for a, b in zip(moved, board, strict=True))
  assert page.labels()[0].endswith(f'class={CLASSES[1]} 4')
  assert page.changes(lambda: page.id('directions-reset').click()) == board

  other = tmp_path / 'other.npz'
  other.write_bytes(b'no')
  page.id('directions-file').send_keys(str(other))
  page.until(lambda: 'other.npz: no .npz that can be read' in page.id('status').text)
  page.driver.get_log('browser')  # the browser notes that the server refused it


def png(array):
  file = io.BytesIO()
  Image.fromarray(array).save(file, format='PNG')
  return file.getvalue()


def test_everything_is_done_by_keyboard_alone(page, tmp_path):
  page.tab_to('model')
  page.tab_to('count')
  page.changes(lambda: page.press(Keys.ARROW_UP), lambda: len(page.board()))
  page.tab_to('new-seeds')
  images = page.changes(lambda: page.press(Keys.SPACE))
  page.tab_to('save-board')
  page.press(Keys.ENTER)
  saved(tmp_path, 1)

  page.press(Keys.TAB)
  assert page.focused().get_attribute('role') == 'option'
  columns = page.driver.execute_script("""
    return getComputedStyle(document.getElementById('board')).gridTemplateColumns.split(' ').length
  """)
  page.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER)
  place = columns + 1
  page.until(lambda: page.tile(place).get_attribute('aria-selected') == 'true')
  ring = page.driver.execute_script('return getComputedStyle(document.activeElement).outlineStyle')
  assert ring == 'solid', 'what has the focus is seen'
  page.press(Keys.HOME, Keys.END, Keys.HOME)

  page.tab_to('board')  # the radio buttons: what is changed
  page.press(Keys.ARROW_DOWN)
  page.tab_to('class')
  changed = page.changes(lambda: page.press(Keys.ARROW_UP))
  assert [n for n, image in enumerate(images) if changed[n] != image] == [place]
  page.tab_to('truncation')
  page.changes(lambda: page.press(Keys.ARROW_LEFT))
  page.tab_to('direction-component1')
  page.changes(lambda: page.press(Keys.PAGE_UP))
  page.tab_to('directions-reset')
  page.changes(lambda: page.press(Keys.ENTER))
  page.changes(lambda: ActionChains(page.driver).key_down(Keys.CONTROL).send_keys('z').key_up(
    Keys.CONTROL).perform())  # fmt: skip

  page.tab_to('to-path')
  page.press(Keys.ENTER)
  page.tab_to('take')
  page.press(Keys.ENTER)
  page.until(lambda: 'Take styles from which picture?' in page.id('status').text)
  page.press(Keys.ESCAPE)
  assert page.id('take').get_attribute('aria-pressed') == 'false'
  page.tab_to('take')
  page.press(Keys.ENTER)
  page.changes(lambda: page.press(Keys.END, Keys.ENTER))
  assert page.labels()[place].startswith(f'coarse of seed {32 + 33}')

  page.tab_to('to-path')
  page.press(Keys.ENTER)
  page.tab_to('at')
  page.changes(lambda: page.press(Keys.END), lambda: page.source('path-picture'))
  page.tab_to('loop')
  page.press(Keys.SPACE)
  page.tab_to('save-frame')
  page.press(Keys.ENTER)
  saved(tmp_path, 2)
  page.tab_to('path-clear')
  page.press(Keys.ENTER)
  page.until(lambda: not page.id('path-part').is_displayed())
  page.tab_to('file')
  page.tab_to('0')  # the first model
  page.press(Keys.SPACE)
  page.until(lambda: page.driver.find_elements('css selector', '#rows img'))


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_on_a_phone_the_page_is_no_wider_than_the_screen(page, theme):
  driver = page.driver
  driver.execute_cdp_cmd(
    'Emulation.setDeviceMetricsOverride',
    {'width': 360, 'height': 740, 'deviceScaleFactor': 2, 'mobile': True},
  )
  feature = {'name': 'prefers-color-scheme', 'value': theme}
  driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [feature]})
  for n in (0, 1):
    page.tile(n).click()
    page.id('to-path').click()
  driver.find_element('css selector', 'input[name=beside]').click()
  page.until(lambda: driver.find_elements('css selector', '#rows img'))
  assert driver.execute_script('return document.documentElement.scrollWidth') <= 360
  too_wide = driver.execute_script("""
    return [...document.querySelectorAll('main *')].filter((each) =>
      each.getBoundingClientRect().right > 361).map((each) => each.outerHTML.slice(0, 80))
  """)
  assert too_wide == []


def test_whatever_can_be_changed_has_a_name(page):
  unnamed = page.driver.execute_script("""
    return [...document.querySelectorAll('button, input, select, [role=option], img')].filter((e) =>
      e.checkVisibility() && !(e.textContent.trim() || e.labels?.length || e.ariaLabel || e.title
        || (e.tagName === 'IMG' && (e.alt || e.parentNode.ariaLabel)))).map((e) => e.outerHTML)
  """)
  assert unnamed == []


def test_a_server_that_is_gone_is_said(browser, gallery):
  addresses = []
  with serving(gallery, 0, addresses.append):
    page = Page(browser, addresses[0])
  page.id('new-seeds').click()
  page.until(lambda: 'the server is gone' in page.id('status').text)
