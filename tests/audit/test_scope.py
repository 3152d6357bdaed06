import types

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gan_jax.audit import scope, views
from gan_jax.audit import subject as audit_subject
from gan_jax.audit.subject import Subject
from gan_jax.data.subset import Subset
from gan_jax.metrics.auc import auc
from tests.audit import drawn


@pytest.fixture
def subject():
  rng = np.random.default_rng(0)
  labels = np.r_[np.zeros(595), np.ones(5)].astype(np.int32)
  side = np.where(np.arange(600) % 2, 'left', 'right')
  train = drawn.Drawn('train', drawn.blots(rng, 600), labels, attributes={'side': side})
  held = drawn.Drawn('test', drawn.blots(rng, 400), np.zeros(400, int) + 1)
  return drawn.subject(drawn.blots(rng, 500), train, held)


def test_images_from_elsewhere_are_outside_and_others_at_the_stated_rate(subject):
  rng = np.random.default_rng(1)
  own = scope.outside(drawn.blots(rng, 600), subject)
  foreign = scope.outside(255 - drawn.blots(rng, 100), subject)
  assert auc(-foreign, -own).low > 0.95
  for level in (0.05, 0.1):
    assert np.mean(own <= level) == pytest.approx(level, abs=0.04)


def test_the_audit_says_how_many_images_are_outside_and_shows_the_edges(subject):
  result = scope.audit(subject, scope.Settings())
  assert result.numbers['outside'].value == pytest.approx(0.05, abs=0.03)
  assert result.numbers['outside_floor'].value == pytest.approx(20 / 401)
  assert not any(sentence.level == 'bad' for sentence in result.sentences)
  subject.images[:60] = 255 - subject.images[:60]
  worse = drawn.subject(subject.images, subject.train, subject.holdout)
  result = scope.audit(worse, scope.Settings())
  assert result.numbers['outside_excess'].low > 0.05
  assert '--keep_within=0.05' in result.sentences[0].text
  assert result.pictures[0].pixels.shape == (16 * 6, 16 * 8, 1)
  assert result.pictures[0].pixels[:16, :16].mean() > 127  # the first is one of those


@pytest.mark.parametrize(
  ('features', 'compared'),
  [
    (('classifier', 'inception_v3', 'dinov2_vits14'), ['inception_v3', 'pixels']),
    (('inception_v3', 'classifier'), ['inception_v3', 'pixels']),
    (('pixels', 'classifier', 'inception_v3'), ['inception_v3', 'pixels']),
    (('classifier', 'pixels'), ['classifier', 'pixels']),  # for want of another
    (('pixels',), ['pixels']),
  ],
)
def test_content_is_compared_by_one_network_that_knows_other_images_and_by_pixels(
  features, compared
):
  classes = lambda name: 'dataset' if name == 'classifier' else 'own'
  network = lambda name: types.SimpleNamespace(classes=classes(name))
  known = types.SimpleNamespace(
    features=features,
    teachers=(),
    embedder=lambda name: types.SimpleNamespace(network=network(name)),
    features_of=lambda name: None,
  )
  assert [view.name for view in views.of_content(known)] == compared


def test_what_the_data_hold_a_few_times_is_told(subject):
  result = scope.audit(subject, scope.Settings())
  held = result.about['images_of']
  assert held['class=1'] == 5
  assert held['side=left'] == 300
  assert held['class=1, side=left'] == 3
  assert [row[0] for row in result.tables[0].rows] == [
    'class=1',
    'class=1, side=left',
    'class=1, side=right',
  ]


def test_attributes_of_a_few_words_are_counted_and_names_and_numbers_are_not(monkeypatch):
  monkeypatch.setattr(scope, '_VALUES', 3)
  rows = np.arange(24)
  values = {f'of{count}': np.char.add('v', (rows % count).astype(str)) for count in (1, 2, 3, 4)}
  values['of3'][:3] = ''  # not known
  train = drawn.Drawn('train', np.zeros((24, 4, 4, 1), np.uint8), attributes={
    **values, 'number': rows % 2
  })  # fmt: skip
  known = types.SimpleNamespace(train=train, num_classes=0, class_names=())
  assert scope.held_of(known) == {
    **{'of2=v0': 12, 'of2=v1': 12, 'of3=v0': 7, 'of3=v1': 7, 'of3=v2': 7},
    **{f'of2=v{a}, of3=v{b}': 4 - (b == a or (a, b) == (0, 2)) for a in (0, 1) for b in (0, 1, 2)},
  }


def test_a_request_beyond_the_data_has_its_reasons():
  counts = {0: 50, 1: 3}
  assert scope.reasons([0], 1.0, counts) == []
  assert scope.reasons([0, 1, 2, 1], 1.5, counts, ('cat', 'dog', 'owl')) == [
    '--truncation=1.5: latents beyond those of training, which are at 1',
    'class dog: 3 training images, fewer than 10',
    'class owl: 0 training images, fewer than 10',
  ]
  assert scope.reasons([7], 0.7, None) == []


def signs(count):
  """Signs and letters of a font, white on black, where digits stand."""
  path = f'{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf'
  font, found = ImageFont.truetype(path, 14), []
  for code in range(0x2600, 0x2600 + count):
    picture = Image.new('L', (16, 16))
    ImageDraw.Draw(picture).text((8, 8), chr(code), 255, font, anchor='mm')
    found.append(np.asarray(picture))
  return np.stack(found)[..., None]


@pytest.mark.slow
def test_signs_and_noise_are_outside_of_what_a_model_of_digits_knows(
  digits, held_out_digits, monkeypatch
):
  monkeypatch.setattr(audit_subject, '_BATCH', 80)  # to which every call is filled up
  rng = np.random.default_rng(0)
  train = Subset(digits, rng.permutation(len(digits))[:400])
  held, own = np.split(rng.permutation(len(held_out_digits))[:280], [160])
  noise = rng.integers(0, 256, (40, 16, 16, 1)).astype(np.uint8)
  features = ('efficientnet_lite0',)
  subject = Subject('', noise, None, train, Subset(held_out_digits, held), features=features)
  detector = scope.Outside(subject, 0.05)
  seen = np.concatenate([held_out_digits.fetch(own)['image'], signs(40)])
  within, of_signs = np.split(detector.p_values(seen), [len(own)])
  for foreign in (detector.generated(), of_signs):
    assert auc(-foreign, -within).value >= 0.95
  assert np.mean(within <= 0.05) < 0.13
