import numpy as np
import pytest

from gan_jax.audit import learner, utility
from gan_jax.audit.learner import Learner, Mixture, Pool
from gan_jax.audit.subject import Subject
from gan_jax.data.subset import Subset
from gan_jax.errors import UserError
from gan_jax.features import classifier
from gan_jax.metrics.estimate import Estimate

TINY = classifier.RECIPE._replace(images=3_000, learning_rate=4e-3)


@pytest.fixture(scope='module')
def few(digits):
  """Digits of which one, 7, has 2 images, and the others 100 each."""
  labels = digits.labels(np.arange(len(digits)))
  rows = [np.flatnonzero(labels == k)[: 2 if k == 7 else 100] for k in range(10)]
  return Subset(digits, np.concatenate(rows))


def planted(digits, held_out, few, kind):
  """Generated images: other real digits, or mud that is called a class."""
  rng = np.random.default_rng(0)
  rows = rng.permutation(len(digits))[:1500]
  batch = digits.fetch(rows)
  images = batch['image']
  if kind == 'mud':
    images = rng.integers(0, 255, images.shape).astype(np.uint8)
  return Subject(kind, images, batch['label'], few, held_out, features=('classifier',))


def gain(subject, few, fake, updates):
  """What a share of images adds to what is free, to the recall of 7."""
  recipe = TINY._replace(images=updates * TINY.batch_size)
  batch = few.fetch(np.arange(len(few)))
  real = Pool(batch['image'], batch['label'])
  mixtures = [Mixture('free', 0, True), Mixture('free and more', 0.5, True)]
  tested = utility._held_out(subject)
  own = Learner(10, few.shape, recipe)
  one, other = utility._try(subject, own, mixtures, real, [fake] * 3, tested)
  weight = utility.weights(tested.labels, 7)['rare_recall']
  found, p = utility.paired.difference(other.right, one.right, weight, tested.labels)
  return utility._verdict('recall of 7', mixtures[1], found, p)


@pytest.mark.parametrize(
  ('interval', 'p', 'level', 'words'),
  [
    ((0.02, 0.01, 0.03), 0.01, 'good', 'they help'),
    ((-0.02, -0.03, -0.01), 0.01, 'bad', 'they harm'),
    ((0.02, 0.01, 0.03), 0.2, 'unknown', 'not shown, as several shares were tried'),
    ((-0.02, -0.03, -0.01), 0.2, 'unknown', 'not shown, as several shares were tried'),
    ((0.01, -0.01, 0.03), 0.01, 'unknown', 'the interval holds 0'),
    ((0.0, 0.0, 0.0), 0.01, 'unknown', 'the interval holds 0'),
    ((0.01, 0.0, 0.02), 0.01, 'unknown', 'the interval holds 0'),
    ((-0.01, -0.02, 0.0), 0.01, 'unknown', 'the interval holds 0'),
  ],
)
def test_help_and_harm_are_told_where_interval_and_p_agree_on_them(interval, p, level, words):
  found = utility._verdict('recall of 7', Mixture('more', 0.5, True), Estimate(*interval), p)
  assert (found.level, words in found.text) == (level, True)


def test_other_real_images_help_a_class_of_two(digits, held_out_digits, few):
  subject = planted(digits, held_out_digits, few, 'reals')
  found = gain(subject, few, Pool(subject.images, subject.labels), 120)
  assert found.level == 'good', found.text


def test_where_the_images_are_the_training_images_nothing_is_concluded(
  digits, held_out_digits, few
):
  batch = few.fetch(np.arange(len(few)))
  rows = np.repeat(np.arange(len(few)), np.where(batch['label'] == 7, 150, 3))  # as even
  again = Pool(batch['image'][rows], batch['label'][rows])
  subject = planted(digits, held_out_digits, few, 'reals')
  found = gain(subject, few, again, 60)
  assert found.level == 'unknown', found.text


def test_an_audit_says_before_how_long_it_takes_and_has_every_mixture(
  digits, held_out_digits, few, capsys
):
  subject = planted(digits, held_out_digits, few, 'mud')
  settings = utility.Settings(shares=('0.5',), seeds=2)
  result = utility.audit(subject, settings, TINY._replace(images=500))
  assert 'utility: 10 trainings of 10 updates, about' in capsys.readouterr().out
  assert result.about['rare'] == '7'
  assert len(result.tables[0].rows) == 5
  assert {'rare_recall/reals', 'rare_recall_gain/reals_free_fakes50'} <= set(result.numbers)
  assert {'macro_accuracy/fakes', 'calibration_error/reals_free'} <= set(result.numbers)


class Clocked:
  """A learner by whose own clock an update takes 2 s and a prediction 0.5 s."""

  updates, now = 60, 100.0

  def learn(self, mixture, real, fake, seed, updates):
    self.now += 2 * updates

  def probabilities(self, params, images):
    self.now += 0.5 * len(images)


def test_the_time_that_is_foretold_is_that_of_all_updates_and_predictions(monkeypatch, capsys):
  clocked = Clocked()
  monkeypatch.setattr(utility.time, 'monotonic', lambda: clocked.now)
  mixtures = [Mixture('reals'), Mixture('free', 0, True)]
  some = Pool(np.zeros((4, 8, 8, 1)), np.zeros(4, int))
  tested = Pool(np.zeros((1_200, 8, 8, 1)), np.zeros(1_200, int))
  utility._foretell(clocked, mixtures, 3, some, some, tested)
  # Six trainings, each of 120 s and of 600 s of predictions.
  assert '6 trainings of 60 updates, about 72.0 minutes' in capsys.readouterr().out


@pytest.mark.parametrize('even', [True, False])
def test_that_no_class_is_rare_is_told(digits, held_out_digits, few, even):
  subject = planted(digits, held_out_digits, digits if even else few, 'reals')
  tested = utility._held_out(subject)
  chance = np.random.default_rng(0).random((2, len(tested.labels))) < 0.5
  mixtures = utility._mixtures([0.5], False)
  tried = [utility.Tried(mixture, chance, np.array([0.1, 0.2])) for mixture in mixtures]
  result = utility._result(subject, tried, tested, 7, utility.Settings())
  told = [each.text for each in result.sentences if each.text.startswith('No class is rare')]
  assert told == (['No class is rare: 7, of the fewest, has 400 images'] if even else [])
  # What generated images add to reals is judged; how they do alone is a row beside.
  added = [each.text for each in result.sentences if 'beyond what is free' in each.text]
  assert len(added) == 2
  assert all(text.startswith('50% generated images') for text in added)


def test_scores_are_weighted_sums_of_hits():
  labels = np.array([0, 0, 0, 1])
  found = utility.weights(labels, 1)
  right = np.array([1, 1, 0, 1])
  assert right @ found['rare_recall'] == 1
  assert right @ found['macro_accuracy'] == pytest.approx((2 / 3 + 1) / 2)


def test_calibration_error_is_the_mean_gap_of_bins():
  sure = np.array([[0.9, 0.1]] * 10)
  labels = np.array([0] * 7 + [1] * 3)
  assert learner.calibration_error(sure, labels) == pytest.approx(0.2)
  exact = np.array([0] * 9 + [1])
  assert learner.calibration_error(sure, exact) == pytest.approx(0)


@pytest.mark.parametrize('share', [0.0, 0.25, 1.0])
def test_every_batch_is_whole_with_the_share_of_generated_images_that_is_asked_for(
  monkeypatch, share
):
  own = Learner(2, (4, 4, 1), TINY)
  batches, done = [], []

  def step(params, opt_state, key, images, labels):
    batches.append((images.mean(axis=(1, 2, 3)), labels))
    return params, opt_state

  monkeypatch.setattr(own, '_step', step)
  monkeypatch.setattr(own._model, 'init', lambda *_: {'params': {}})
  real = Pool(np.zeros((30, 4, 4, 1), np.uint8), np.zeros(30, int))
  fake = Pool(np.full((20, 4, 4, 1), 9, np.uint8), np.ones(20, int))
  own.learn(Mixture('some', share), real, fake, 0, 3, done.append)
  assert done == [1, 2, 3]
  size = TINY.batch_size
  for seen, labels in batches:
    assert len(seen) == size
    assert np.sum(seen == 9) == round(share * size)
    np.testing.assert_array_equal(labels, seen == 9)


def test_oversampled_batches_have_every_class_as_often():
  rng = np.random.default_rng(0)
  labels = np.array([0] * 990 + [1] * 10)
  by_class = [np.flatnonzero(labels == k) for k in (0, 1)]
  draw = lambda mixture: labels[learner._rows(rng, by_class, 1000, 4000, mixture)].mean()
  assert draw(Mixture('even', 0, True)) == pytest.approx(0.5, abs=0.03)
  assert draw(Mixture('as they are')) == pytest.approx(0.01, abs=0.006)


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    (utility.Settings(shares=('2',)), '--shares=2: accepted: numbers between 0 and 1'),
    (utility.Settings(shares=('x',)), '--shares=x: accepted'),
    (utility.Settings(seeds=1), '--seeds=1: accepted: at least 2'),
    (utility.Settings(rare='cat'), '--rare=cat: accepted: 0, 1'),
  ],
)
def test_what_cannot_be_asked_for_is_one_line(digits, held_out_digits, few, settings, message):
  with pytest.raises(UserError, match=message):
    utility.audit(planted(digits, held_out_digits, few, 'reals'), settings, TINY)


def test_without_labels_of_the_images_nothing_can_be_told(digits, held_out_digits, few):
  subject = planted(digits, held_out_digits, few, 'reals')
  subject.labels = None
  result = utility.audit(subject, utility.Settings(), TINY)
  assert [each.level for each in result.sentences] == ['unknown']
