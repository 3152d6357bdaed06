import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.metrics import cas, estimate


def bars(count, seed, num_classes=3):
  """Noise with a bright bar, a place for each class, and the classes in turn."""
  rng = np.random.default_rng(seed)
  labels = np.arange(count) % num_classes
  images = rng.integers(0, 100, (count, 16, 16, 1), np.uint8)
  for image, label in zip(images, labels, strict=True):
    image[2 + 5 * label : 4 + 5 * label] = 255
  return images, labels


@pytest.fixture(autouse=True)
def shorter(monkeypatch):
  monkeypatch.setattr(cas, '_RECIPE', cas._RECIPE._replace(images=500))


def test_images_that_show_their_classes_teach_them_and_the_same_input_gives_the_same_score():
  train, test = bars(150, 0), bars(90, 1)
  scores = cas.compute(*train, *test, 3)
  assert set(scores) == {'cas', 'cas/0', 'cas/1', 'cas/2'}
  assert scores['cas'].value > 0.95
  assert scores['cas'] == estimate.from_share(90 * scores['cas'].value, 90)
  assert cas.compute(*train, *test, 3) == scores


def test_classes_that_are_mixed_up_are_told_by_their_details():
  images, labels = bars(150, 0)
  swapped = np.array([0, 2, 1])[labels]
  scores = cas.compute(images, swapped, *bars(90, 1), 3)
  assert scores['cas/0'].value > 0.95
  assert scores['cas/1'].value < 0.05
  assert scores['cas/2'].value < 0.05
  assert scores['cas'].value == pytest.approx(
    np.mean([scores[f'cas/{label}'].value for label in range(3)])
  )
  assert scores['cas/1'] == estimate.from_share(30 * scores['cas/1'].value, 30)


def test_a_class_without_generated_images_is_refused_and_one_without_test_images_has_no_detail():
  images, labels = bars(60, 0)
  with pytest.raises(UserError, match=r'of 60 generated images none is of class 3; .* 4 classes'):
    cas.compute(images, labels, *bars(30, 1), 4)
  test_images, test_labels = bars(30, 1)
  some = test_labels != 1
  assert set(cas.compute(images, labels, test_images[some], test_labels[some], 3)) == {
    'cas',
    'cas/0',
    'cas/2',
  }


def test_no_test_images_are_refused():
  images, labels = bars(30, 0)
  with pytest.raises(UserError, match='0 held-out real images; needed: at least 1'):
    cas.compute(images, labels, images[:0], labels[:0], 3)


@pytest.mark.slow
def test_real_digits_teach_digits(digits, held_out_digits, monkeypatch):
  monkeypatch.undo()
  train, test = (d.fetch(np.arange(len(d))) for d in (digits, held_out_digits))
  scores = cas.compute(train['image'], train['label'], test['image'], test['label'], 10)
  assert scores['cas'].value >= 0.95
