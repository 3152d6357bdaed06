"""The command, on a run and on folders, and what it writes."""

import csv
import json
import re
import sys
import threading
import types

import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from flax import linen as nn
from PIL import Image

from gan_jax.audit import (
  conduct,
  groups,
  membership,
  mitigation,
  predictor,
  report,
  result,
  subject,
)
from gan_jax.audit.result import Mark, Picture, Result, Sentence, Table
from gan_jax.errors import UserError
from gan_jax.metrics.estimate import Estimate
from gan_jax.workdir import record
from tests.audit import drawn
from tests.command_line import call


def found(text='plain'):
  return Result(
    'representation',
    f'Title {text}',
    (Sentence(f'a fault {text}', 'bad'), Sentence('no', 'unknown')),
    {'share/class/a': Estimate(0.1, 0.05, 0.2), 'bad': Estimate(float('nan'), 0.0, float('inf'))},
    (Table(f'table {text}', ('', 'x'), ((text, ''),), frozenset({0}), (Mark(0.1, 0, 1, 0.2),), 1),),
    (Picture(text, np.zeros((8, 8, 1), np.uint8)),),
    {'n': 3},
  )


@pytest.fixture(scope='module')
def small(finished):
  workdir, _ = finished
  return subject.of_run(workdir, num_samples=40)


def test_numbers_go_to_json_csv_and_one_line_of_a_record(small, tmp_path):
  report.write(small, [found()], str(tmp_path))
  content = json.loads((tmp_path / 'audit.json').read_text())
  assert content['images'] == 40
  (audit,) = content['audits']
  assert (audit['name'], audit['title']) == ('representation', 'Title plain')
  assert audit['numbers']['bad']['value'] is None
  assert audit['tables'] == [
    {'title': 'table plain', 'headings': ['', 'x'], 'rows': [['plain', '']]}
  ]
  assert audit['about'] == {'n': 3}
  rows = list(csv.DictReader((tmp_path / 'audit.csv').open()))
  assert [row['key'] for row in rows] == ['share/class/a', 'bad']
  line = result.flat([found()])
  assert line['representation/share/class/a_high'] == 0.2
  assert all(np.isfinite(list(line.values())))


def test_a_number_is_shown_with_its_interval_as_it_is_or_in_per_cent():
  estimate = Estimate(0.0312, 0.022, 0.0434)
  assert result.shown(estimate) == '0.0312 (0.022 to 0.0434)'
  assert result.shown(estimate, percent=True) == '3.12 % (2.2 to 4.34)'


def test_a_page_fetches_nothing_and_shows_text_as_text(small):
  page = report.page(small, [found('<script>alert(1)</script>')])
  assert '<script>alert' not in page
  assert '&lt;script&gt;alert' in page
  assert not re.search(r'(src|href)=["\']?(https?:)?//', page)
  assert 'width=device-width' in page
  assert '<svg class="dots"' in page


def test_images_of_a_run_are_those_that_its_seed_draws(small):
  again = small.draw(np.arange(40) * 0 if small.labels is None else small.labels, small.seed + 1)
  np.testing.assert_array_equal(again, small.images)


class Light(nn.Module):
  """A discriminator that says how light an image is."""

  def __call__(self, images, labels, train):
    return {'logits': jnp.mean(images, axis=(1, 2, 3), keepdims=True)}


def test_what_the_discriminator_says_is_told_of_the_image_that_it_said_it_of(monkeypatch):
  rng = np.random.default_rng(0)
  train, held = drawn.blots(rng, 90), drawn.blots(rng, 61)
  own = drawn.subject(
    train[:2], drawn.Drawn('train', train), drawn.Drawn('test', held), run=object(), workdir='run'
  )
  monkeypatch.setattr(membership.build, 'open_discriminator', lambda *_: (Light(), {}, {}))
  monkeypatch.setattr(membership, '_BATCH', 8)
  light = lambda images: images.mean(axis=(1, 2, 3)) / 127.5 - 1
  rows = own.train_rows, own.holdout_rows
  for said, images, chosen in zip(membership.logits(own), (train, held), rows, strict=True):
    np.testing.assert_allclose(said, light(images[chosen]), atol=1e-5)


@pytest.mark.parametrize(('flags', 'lines'), [((), 0), (('--metrics',), 1)])
def test_the_record_of_a_run_gets_a_line_where_that_is_asked_for(
  tmp_path, monkeypatch, flags, lines
):
  added, run = [], types.SimpleNamespace()
  for module, name, answer in (
    *((record, 'load_config', {}), (subject, 'of_run', run), (conduct, 'conduct', ['found'])),
    *((report, 'show', None), (report, 'write', None)),
  ):
    monkeypatch.setattr(module, name, lambda *_, answer=answer: answer)
  monkeypatch.setattr(report, 'add_to_record', lambda *given: added.append(given))
  where = '--workdir=run', f'--out={tmp_path / "out"}'
  assert call('audit', *where, '--audits=scope', *flags).code == 0
  assert added == [(run, ['found'])] * lines


def test_of_a_reference_all_that_is_not_held_out_is_compared_with(monkeypatch):
  monkeypatch.setattr(subject, '_MOST_REALS', 10)
  rng = np.random.default_rng(0)
  images, reals, others = (drawn.blots(rng, count) for count in (4, 50, 30))
  halved = drawn.subject(images, drawn.Drawn('reference', reals), None)
  assert (len(halved.train), len(halved.holdout)) == (40, 10)
  parts = [each.fetch(np.arange(len(each)))['image'] for each in (halved.train, halved.holdout)]
  together = sorted(image.tobytes() for part in parts for image in part)
  assert together == sorted(image.tobytes() for image in reals)
  apart = drawn.subject(images, drawn.Drawn('reference', reals), drawn.Drawn('others', others))
  assert (len(apart.train_rows), len(apart.holdout_rows)) == (10, 10)


def test_settings_go_to_the_audits_that_have_them():
  modules = conduct.chosen(['representation', 'utility'])
  settings = conduct.settings_of(modules, {'seeds': 3, 'target': 'class=uniform'})
  assert settings['utility'].seeds == 3
  assert settings['representation'].target == 'class=uniform'
  with pytest.raises(UserError, match='--seeds: has no part in --audits=representation'):
    conduct.settings_of(conduct.chosen(['representation']), {'seeds': 3})


@pytest.mark.parametrize(
  ('names', 'message'),
  [(['utlity'], "unknown; did you mean 'utility'"), (['utility', 'utility'], 'is there twice')],
)
def test_audits_that_there_are_not_are_one_line(names, message):
  with pytest.raises(UserError, match=message):
    conduct.chosen(names)


def test_what_one_audit_cannot_give_leaves_the_others(small):
  class Refuses:
    @staticmethod
    def audit(subject, settings):
      raise UserError('no such thing')

  class Gives:
    @staticmethod
    def audit(subject, settings):
      return found()

  settings = {'a': None, 'b': None}
  results = conduct.conduct(small, {'a': Refuses, 'b': Gives}, settings)
  assert results[0].sentences == (Sentence('no such thing', 'unknown'),)
  assert results[1].sentences[0].level == 'bad'
  with pytest.raises(UserError, match='no such thing'):
    conduct.conduct(small, {'a': Refuses}, settings)


class Brightness:
  """Says 1 of images that are brighter than a level."""

  def __init__(self, level):
    self.level = level

  def __call__(self, images):
    bright = images.mean(axis=(1, 2, 3)) > self.level
    yield None, np.stack([~bright, bright], axis=1) * 20.0


def test_what_is_said_of_an_image_does_not_depend_on_those_beside_it():
  images = np.arange(0, 250, 50, np.uint8)[:, None, None, None]
  ramp = lambda images: iter([(None, np.stack([100.0 - images.ravel(), images.ravel()], axis=1))])
  grouping = groups.Grouping('bright', ('no', 'yes'), np.zeros(1, int), np.zeros(1, int))
  own = predictor.Predictor(grouping, grouping, np.arange(2), (ramp,), np.diag([1, 1]), 0.5)
  together = own.say(images)
  assert together.category.tolist() == [0, 0, 1, 1, 1]
  for place in range(len(images)):
    alone = own.say(images[place : place + 1])
    assert alone.category[0] == together.category[place]
    assert alone.sure[0] == pytest.approx(together.sure[place])


def test_latents_are_rejected_to_a_target_that_a_generator_is_not_asked_for(
  small, tmp_path, monkeypatch
):
  means = small.images.mean(axis=(1, 2, 3))
  level = float(np.quantile(means, 0.7))
  grouping = groups.Grouping('bright', ('no', 'yes'), np.zeros(1, int), np.zeros(1, int))
  confusion = np.diag([1000, 1000])
  sure = predictor.Predictor(grouping, grouping, np.arange(2), (Brightness(level),), confusion, 0.5)
  monkeypatch.setattr(small, 'out', str(tmp_path))
  found = mitigation.to_target(small, sure, np.array([0.5, 0.5]))
  asked = np.resize(small.labels, 1000)  # as of its images, again and again
  bright = (small.draw(asked, small.seed + 2).mean(axis=(1, 2, 3)) > level).mean()
  np.testing.assert_allclose(found.weights, [bright / (1 - bright), 1], atol=1e-6)
  assert len(found.images) == 40
  rows = list(csv.DictReader((tmp_path / 'to_target' / 'images.csv').open()))
  one = rows[5]
  again = small.draw(np.array([int(one['class_asked'])]), int(one['seed']), int(one['place']))
  np.testing.assert_array_equal(again[0], found.images[5])


def test_a_target_to_which_hardly_an_image_can_be_kept_is_refused():
  grouping = groups.Grouping('bright', ('no', 'yes'), np.zeros(1, int), np.zeros(1, int))
  sure = predictor.Predictor(
    grouping, grouping, np.arange(2), (Brightness(100),), np.diag([1000, 1000]), 0.5
  )
  wanted = np.array([0.0, 1.0])
  images = np.zeros((40, 4, 4, 1), np.uint8)
  train = drawn.Drawn('train', images)
  for bright in (1, 2):
    images[:bright] = 200
    own = drawn.subject(images, train, train)
    if bright < 2:
      with pytest.raises(UserError, match=r'--mitigate: of 40 images 1 could be kept; accepted'):
        mitigation.to_target(own, sure, wanted)
    else:
      np.testing.assert_array_equal(mitigation.to_target(own, sure, wanted).images, images[:2])


def test_a_predictor_is_measured_on_each_held_out_image_that_is_known_once(monkeypatch):
  rng = np.random.default_rng(0)
  images, held = drawn.blots(rng, 30), drawn.blots(rng, 97)
  bright = held.mean(axis=(1, 2, 3)) > 40
  truth = rng.integers(-1, 2, len(held))  # of some it is not known
  grouping = groups.Grouping('bright', ('no', 'yes'), np.zeros(30, int), truth)
  own = drawn.subject(images, drawn.Drawn('train', images), drawn.Drawn('test', held))
  monkeypatch.setattr(predictor, '_BATCH', 5)
  monkeypatch.setattr(predictor.Predictors, '_open', lambda self, grouping: Brightness(40))
  confusion = predictor.Predictors(own, [grouping]).of(grouping).confusion
  for said in (0, 1):
    for true in (0, 1):
      assert confusion[said, true] == np.sum((bright == said) & (truth == true))


class Rare:
  """As much of a subject as sampling needs, whose generator draws a dark image now and then."""

  run, conditional, labels, out, seed = object(), False, None, '', 0
  class_names: tuple[str, ...] = ()

  def __len__(self):
    return 2000

  def __init__(self):
    self.told = {}

  def watch(self, what, done, total):
    self.told.setdefault(what, []).append((done, total))

  def draw(self, labels, seed, first=0):
    dark = np.random.default_rng((seed, first)).random(len(labels)) < 0.02
    return np.where(dark, 10, 200).astype(np.uint8)[:, None, None, None]


class Errs:
  """Calls a tenth of the dark images bright, and one in 200 of the bright ones dark."""

  def __init__(self):
    self.rng = np.random.default_rng(3)

  def __call__(self, images):
    dark = images[:, 0, 0, 0] < 100
    said = np.where(self.rng.random(len(images)) < np.where(dark, 0.1, 0.005), ~dark, dark)
    yield None, np.stack([~said, said], axis=1) * 20.0


def test_what_is_drawn_decides_what_of_it_is_kept_for_a_rare_category():
  grouping = groups.Grouping('dark', ('no', 'yes'), np.zeros(1, int), np.zeros(1, int))
  confusion = np.array([[9950, 1000], [50, 9000]])
  errs = predictor.Predictor(grouping, grouping, np.arange(2), (Errs(),), confusion, 0.5)
  rare = Rare()
  found = mitigation.to_target(rare, errs, np.array([0.75, 0.25]))
  for steps in rare.told.values():
    done, (total, *_) = [each for each, _ in steps], [each for _, each in steps]
    assert done == sorted(done)
    assert done[0] < done[-1] == total
  assert len(rare.told) == 2
  share = (found.images[:, 0, 0, 0] < 100).mean()
  assert len(found.images) == 2000
  # Of 27,000 images 2.3 % are called dark, known to 5 % of what is dark; and 2,000 are kept.
  error = np.hypot(0.25 * 0.75 * 0.05, np.sqrt(0.25 * 0.75 / 2000))
  assert abs(share - 0.25) < 3 * error


def folder(path, images):
  path.mkdir()
  for number, image in enumerate(images):
    Image.fromarray(image[..., 0]).save(path / f'{number:05d}.png')
  return str(path)


def test_folders_by_anybody_are_audited_by_the_classes_and_attributes_of_a_label_file(
  digits, tmp_path
):
  batch = digits.fetch(np.arange(len(digits))[::4])
  images, labels = batch['image'].copy(), batch['label']
  rng = np.random.default_rng(0)
  dark = rng.random(len(images)) < 0.5
  images[dark] = 255 - images[dark]
  rows = [
    f'{number:05d}.png,digit{label},{"dark" if ink else "light"}'
    for number, (label, ink) in enumerate(zip(labels, dark, strict=True))
  ]
  table = tmp_path / 'known.csv'
  table.write_text('\n'.join(['name,label,ink', *rows]) + '\n')
  reference = folder(tmp_path / 'real', images)
  kept = np.flatnonzero((labels != 7) & (dark | (rng.random(len(images)) < 0.2)))
  made = subject.of_folder(
    folder(tmp_path / 'fake', images[kept]), reference, labels=str(table), features=('classifier',)
  )
  assert (made.labels, made.num_classes, made.train.attribute_names) == (None, 10, ('ink',))
  modules = conduct.chosen(['representation'])
  results = conduct.conduct(made, modules, conduct.settings_of(modules, {}))
  out = tmp_path / 'out'
  report.check(str(out))
  report.write(made, results, str(out))
  page = (out / 'audit.html').read_text()
  assert 'class digit7 is hardly ever drawn' in page
  assert 'ink light is drawn too rarely' in page
  light = results[0].numbers['share/ink/light']
  assert light.low <= np.mean(~dark[kept]) <= light.high
  assert any(key.startswith('share/class x ink/digit3, dark') for key in results[0].numbers)


@pytest.mark.parametrize(
  ('asked', 'features'), [(('pixels', 'classifier'),) * 2, ((), ('efficientnet_lite0',))]
)
def test_folders_are_judged_by_the_networks_that_are_asked_for(tmp_path, asked, features):
  made = folder(tmp_path / 'made', drawn.blots(np.random.default_rng(0), 8))
  assert subject.of_folder(made, made, features=asked).features == features


@pytest.fixture
def own_flags():
  """Takes back what a command defines, and the hooks that it sets."""
  known, hooks = set(flags.FLAGS), (sys.unraisablehook, threading.excepthook)
  yield
  for name in set(flags.FLAGS) - known:
    delattr(flags.FLAGS, name)
  flags.FLAGS.unparse_flags()
  sys.unraisablehook, threading.excepthook = hooks


def test_the_command_audits_a_run_and_adds_a_line_to_its_record(finished, tmp_path, own_flags):
  workdir, _ = finished
  said = call(
    *('audit', f'--workdir={workdir}', '--audits=representation', '--num_samples=200'),
    *(f'--out={tmp_path}', '--metrics', '--features=classifier'),
    *('--target=class=uniform', '--mitigate'),
  )
  assert said.code == 0, said.err
  (line,) = record.read_metrics(workdir, 'audit')
  assert any(key.startswith('representation/share/class/') for key in line)
  assert {'audit.json', 'audit.csv', 'audit.html'} <= {each.name for each in tmp_path.iterdir()}
  sampled = tmp_path / 'to_target'
  assert len(list(sampled.glob('*.png'))) == 200
  rows = list(csv.DictReader((sampled / 'images.csv').open()))
  assert all((sampled / row['name']).exists() for row in rows)
  asked = np.bincount([int(row['class_asked']) for row in rows], minlength=10)
  assert asked.min() > 5
