"""The page of an ablation, read as text and in a real browser."""

import json
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from gan_jax import report
from gan_jax.ablation import charts, pictures, results, status, words
from gan_jax.ablation import page as pages_of
from gan_jax.workdir import record

HOSTILE = '</script><script>alert(1)</script><b>&"\''


def draw(root, run, moments=3):
  """Sample grids of fixed latents, as a run leaves them."""
  folder = pathlib.Path(root.workdir(run.key)) / 'samples'
  folder.mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(run.seed)
  for name in [*(f'{96 * number:012d}.png' for number in range(moments)), 'reals.png']:
    Image.fromarray(rng.integers(0, 256, (160, 64), np.uint8)).save(folder / name)


@pytest.fixture
def page(written, tmp_path):
  """A page of three variants: one with a hostile name, one with a run that diverged."""
  scores = {
    'a': [[5, 3], [6, 4], [7, 5]],
    HOSTILE: [[5, 2], [6, 2.5], [7, 2]],
    'c': [[9, 8], [], [9, 8]],
  }
  root, made = written(scores, question=f'Which? {HOSTILE}')
  for run in made.runs:
    draw(root, run)
  first = made.runs[0]
  record.append_line(root.workdir(first.key), 'alarm', 5, 96, {'alarm': 'x', 'text': HOSTILE})
  status.add_attempt(root, first.key, 1, f'failed {HOSTILE}')
  out = tmp_path / 'report.html'
  report.of_sweep(root.path, '', str(out))
  return out


def test_what_comes_from_outside_shows_as_text(page):
  text = page.read_text()
  body = re.sub(r'<script.*?</script>', '', text, flags=re.DOTALL)
  assert '<script>alert' not in text
  assert '<b>' not in body
  assert body.count('&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;') > 6


def test_nothing_is_fetched(page):
  text = re.sub(r'<script>.*?</script>', '', page.read_text(), flags=re.DOTALL)
  addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
  assert addresses
  assert all(address.startswith('data:') for address in addresses)
  assert 'url(' not in text


def test_every_picture_says_what_it_shows_and_strips_stand_side_by_side(page):
  text = page.read_text()
  pictures = re.findall(r'<img [^>]*alt="([^"]*)"', text)
  assert len(pictures) == 9 + 3 + 1  # a strip a run, a grid a variant, the real ones
  assert pictures[0] == 'samples of a at 0, 96, 192 images, from above'
  assert 'grid of real images' in pictures


def test_provenance_failures_and_differences_are_told(page):
  text = page.read_text()
  assert 'No run has begun.' in text  # these were written by hand
  assert 'failed (1)' in text
  assert 'diverged' in text
  assert 'dcgan.width' in text


@pytest.mark.parametrize(('size', 'enlarged'), [((50, 20), True), ((40, 800), False)])
def test_a_small_picture_is_shown_larger_and_none_smaller_than_it_is(size, enlarged):
  shown = pictures._picture(np.zeros((*size, 1), np.uint8), 'what it shows', 'a')
  assert shown.width / shown.height == pytest.approx(size[1] / size[0], rel=0.05)
  if enlarged:
    assert shown.height > size[0]
    assert shown.width > size[1]
  else:
    assert (shown.height, shown.width) == size


@pytest.mark.parametrize('values', [(3.0, 5.0, 13.0), (4.0, 4.0, 4.0)])
def test_dots_of_runs_stand_evenly_by_their_scores_and_all_within_the_drawing(written, values):
  root, made = written({'a': [[value] for value in values]})
  (row,) = results.read(root, made.name, root.sweeps()[made.name]).rows
  low, high = min(values), max(values)
  drawn = pages_of._dots(row, low, high)
  width = next(line['x2'] for line in drawn['lines'] if line['zero'])
  assert all(0 <= place <= width for place in drawn['places'])
  if high > low:
    first, second, last = drawn['places']
    assert (second - first) / (last - first) == pytest.approx(2 / 10, abs=0.01)
    assert last - first > width / 2


def test_each_number_of_the_table_sorts_by_what_it_shows(written):
  root, made = written({'a': [[3], [4], [5]], 'b': [[2], [2.5], [2]], 'c': [[8], [], [8]]})
  found = results.read(root, made.name, root.sweeps()[made.name])
  sorted_by = []
  for cells in pages_of._rows(found):
    by_heading = dict(zip(words.HEADINGS, cells[1:], strict=True))
    assert float(cells[0]['value'] or 'nan') == pytest.approx(
      float(by_heading['mean [95 %]']['value'] or 'nan'), nan_ok=True
    )
    told = {name: cell for name, cell in by_heading.items() if cell['value']}
    for cell in told.values():
      number = float(cell['text'].split()[0].replace('−', '-'))
      assert float(cell['value']) == pytest.approx(number, rel=0.01)
    sorted_by.append(set(told))
  of_run = {'mean [95 %]', 'sd over seeds', '± of sampling', 'held-out reals'}
  compared = {'difference [95 %]', 'P(better) [95 %]', 'effect', 'p', 'p (Holm)'}
  of_diverged = {'P(better) [95 %]', 'p', 'p (Holm)'}
  assert sorted_by[:2] == [of_run, of_run | compared]
  assert of_diverged <= sorted_by[2]


def test_scores_of_a_page_are_those_of_the_newest_evaluation_whatever_was_recorded_since():
  score = lambda step, value: {
    **{'kind': 'scores', 'step': step, 'fd': value, 'fd_low': value - 1, 'fd_high': value + 1},
    'floor_fd': 0.5,
  }
  other = lambda kind, step: {'kind': kind, 'step': step, 'd_loss': 1.0}
  lines = [score(0, 90.0), other('train', 1), score(1, 7.0), score(2, 5.0)]
  lines += [other('train', 3), other('end', 3)]
  assert pages_of._scored(lines) == [['fd', '5 [4, 6]', '90', '0.5']]
  assert pages_of._scored(lines[:2]) == []
  assert pages_of._scored(lines[1:3]) == [['fd', '7 [6, 8]', '–', '0.5']]


def test_of_more_variants_than_colours_no_two_are_drawn_alike():
  points = [(10, 1.0, 0.5), (20, 2.0, 0.25)]
  curves = [charts.Curve(f'{n}', [(0, points)]) for n in range(len(charts.COLOURS) + 2)]
  text = json.dumps(charts._chart('fd', 'images', 'linear', curves))
  drawn = re.findall(
    r'"line_color": "(#\w+)", "line_width": [\d.]+(?:, "line_dash": ([^}]+))?}', text
  )
  assert len(drawn) == len(set(drawn)) == len(curves)


def test_what_is_told_beside_the_pointer_is_there_for_every_point_of_every_variant():
  runs = [(0, [(10, 1.0, 0.5), (20, 2.0, 0.25)]), (1, [(10, 3.0, 0.7)])]
  curves = [charts.Curve('a', runs), charts.Curve('none yet', [(0, [])]), charts.Curve('b', runs)]
  drawn = charts._chart('fd', 'images', 'linear', curves)
  found = {'source': [], 'tips': []}

  def walk(part):
    if isinstance(part, dict):
      if part.get('name') == 'ColumnDataSource':
        found['source'].append(dict(part['attributes']['data']['entries']))
      if part.get('name') == 'HoverTool':
        found['tips'].append(json.dumps(part['attributes']['tooltips']))
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
      walk(each)

  walk(json.loads(json.dumps(drawn)))
  (tips,) = found['tips']
  assert [source['name'] for source in found['source']] == [['a'] * 2, ['b'] * 2]
  for source in found['source']:
    assert set(re.findall(r'@(\w+)', tips)) <= set(source)
    assert source['n'] == [2, 2]


def test_before_any_run_has_a_number_the_table_is_drawn_all_the_same(written):
  root, made = written({'a': [[], []], 'b': [[], []]})  # all of them diverged
  rows = pages_of._rows(results.read(root, made.name, root.sweeps()[made.name]))
  assert [cells[0]['dots']['places'] for cells in rows] == [[], []]


def test_what_befell_a_run_is_told_by_its_kind_and_of_one_that_diverged_no_failure(written):
  root, made = written({'a': [[3], []], 'b': [[1], [2]]})
  diverged = next(run for run in made.runs if (run.variant, run.seed) == ('a', 1))
  alarmed = next(run for run in made.runs if (run.variant, run.seed) == ('b', 0))
  told = {'alarm': 'x', 'text': 'too alike'}
  record.append_line(root.workdir(alarmed.key), 'alarm', 5, 1_096, told)
  for run in (diverged, alarmed):
    status.add_attempt(root, run.key, 1, 'disk full')
  runs = results.read(root, made.name, root.sweeps()[made.name]).runs
  of_records = [
    ['a, seed 1', 'diverged', 'the generator at 48 images'],
    ['b, seed 0', 'alarm', '1,096 images: too alike'],
  ]
  assert pages_of._troubles(runs, None) == of_records
  failed = ['b, seed 0', 'failed (1)', 'disk full']
  assert pages_of._troubles(runs, root) == [*of_records, failed]


def test_a_run_has_a_page_of_its_own(finished, tmp_path):
  workdir, scores = finished
  out = tmp_path / 'run.html'
  report.of_run(workdir, str(out))
  text = out.read_text()
  assert '<h1>dcgan on digits</h1>' in text
  assert f'{scores["fd_classifier"]:.4g}' in text
  assert 'train.batch_size' in text
  assert 'Finished, 192 of 192 images shown.' in text
  assert re.search(r'1 run, all of: code [0-9a-f]{12} \(git', text)


def wait(driver, condition, what):
  from selenium.webdriver.support.ui import WebDriverWait

  WebDriverWait(driver, 30, 0.05).until(condition, what)


def shown(driver):
  return driver.execute_script("return document.getElementById('chart').dataset.shown")


def opened(driver, path):
  driver.get(path.as_uri())
  wait(driver, shown, 'a chart')
  return driver


def column(driver, number):
  rows = driver.find_elements('css selector', '#table tbody tr')
  return [row.find_elements('tag name', 'td')[number].text for row in rows]


def test_a_browser_sorts_reads_values_changes_theme_and_logs_no_error(browser, page):
  from selenium.webdriver.common.action_chains import ActionChains
  from selenium.webdriver.common.keys import Keys

  opened(browser, page)
  # Sorted by the mean, by keyboard alone; what has none goes last either way.
  heading = browser.find_elements('css selector', '#table th button')[4]
  heading.send_keys(Keys.ENTER)
  assert column(browser, 1) == [HOSTILE, 'a', 'c']
  heading.send_keys(Keys.ENTER)
  assert column(browser, 1) == ['a', HOSTILE, 'c']
  sort = browser.find_elements('css selector', '#table th')[4].get_attribute('aria-sort')
  assert sort == 'descending'

  # Pointing at a dot reads its value.
  chart = browser.find_element('id', 'chart')
  browser.execute_script('arguments[0].scrollIntoView()', chart)
  tip = _tip(browser, chart, ActionChains)
  assert 'images' in tip
  assert 'seeds' in tip

  # Other axes are other charts, by keyboard.
  seconds = browser.find_element('css selector', 'input[value=seconds]')
  seconds.send_keys(Keys.SPACE)
  wait(browser, lambda d: shown(d) == 'fd_pixels|seconds|linear', 'the chart against seconds')
  browser.find_element('name', 'log').send_keys(Keys.SPACE)
  wait(browser, lambda d: shown(d) == 'fd_pixels|seconds|log', 'the logarithmic chart')

  # Both themes, and what is on paper.
  colour = lambda: browser.execute_script('return getComputedStyle(document.body).backgroundColor')
  before = colour()
  browser.find_element('id', 'theme').click()
  assert colour() != before
  assert {before, colour()} == {'rgb(255, 255, 255)', 'rgb(21, 24, 28)'}

  assert not browser.find_elements('css selector', 'h1 b, td b')
  assert [e for e in browser.get_log('browser') if e['level'] in ('SEVERE', 'WARNING')] == []
  requests = [
    e['message'] for e in browser.get_log('performance') if 'requestWillBe' in e['message']
  ]
  urls = {url for message in requests for url in re.findall(r'"url":"([^"]*)"', message)}
  assert not [url for url in urls if url.startswith(('http', 'ws', 'ftp'))]


def _tip(driver, chart, chains):
  """The text beside the pointer, wherever on the chart there is one."""
  script = """
    const texts = [];
    const walk = (node) => {
      if (node.shadowRoot) walk(node.shadowRoot);
      for (const child of node.children ?? []) {
        if (child.className?.includes?.('bk-Tooltip')) texts.push(child.shadowRoot?.textContent);
        walk(child);
      }
    };
    walk(document.body);
    return texts.join(' ');
  """
  box = chart.size
  for x in np.linspace(0.5, 0, 30):
    for y in np.linspace(-0.45, 0.25, 25):
      place = int(x * box['width']) - 60, int(y * box['height'])
      chains(driver, duration=0).move_to_element_with_offset(chart, *place).perform()
      text = driver.execute_script(script)
      if text and 'seeds' in text:
        return text
  raise AssertionError('no tooltip anywhere on the chart')


def test_on_a_phone_the_page_is_no_wider_than_the_screen(browser, page):
  browser.set_window_size(500, 900)  # the least that a window of chromium has
  browser.execute_cdp_cmd(
    'Emulation.setDeviceMetricsOverride',
    {'width': 390, 'height': 844, 'deviceScaleFactor': 2, 'mobile': True},
  )
  opened(browser, page)
  width = browser.execute_script('return document.documentElement.scrollWidth')
  assert width <= 390
  size = browser.execute_script(
    "return parseFloat(getComputedStyle(document.querySelector('p')).fontSize)"
  )
  assert size >= 13


def test_a_page_of_fifty_runs_is_light(written, tmp_path):
  scores = {
    f'variant {n}': [[9 - k / 9 + n for k in range(10)] for _ in range(5)] for n in range(10)
  }
  root, made = written(scores)
  for run in made.runs:
    draw(root, run, 10)
  out = tmp_path / 'report.html'
  report.of_sweep(root.path, '', str(out))
  assert os.path.getsize(out) < 20_000_000
