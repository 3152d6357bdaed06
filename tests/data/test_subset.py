import numpy as np
import pytest

from gan_jax.data.source import RandomImages
from gan_jax.data.subset import Subset, at_most
from gan_jax.errors import UserError


def test_it_is_the_rows_of_the_whole_in_their_order(digits):
  part = Subset(digits, np.array([30, 4, 999]))
  assert (len(part), part.shape, part.num_classes) == (3, digits.shape, 10)
  whole = digits.fetch([999, 30])
  for key, found in part.fetch([2, 0]).items():
    np.testing.assert_array_equal(found, whole[key])
  np.testing.assert_array_equal(part.labels([1]), digits.labels([4]))


def test_its_fingerprint_says_which_rows_of_what():
  first, other = (RandomImages(split, (4, 4), 8) for split in ('train', 'test'))
  prints = {
    Subset(dataset, np.array(rows)).fingerprint
    for dataset in (first, other)
    for rows in ([0, 1], [1, 0], [0, 2])
  }
  assert len(prints) == 6


def test_classes_keep_at_most_so_many_and_others_stay(digits):
  every = np.arange(len(digits))
  labels = digits.labels(every)
  names = digits.class_names
  made = at_most(digits, (f'{names[7]}=50', f'{names[2]}=3'))
  expected = np.bincount(labels, minlength=10)
  expected[[7, 2]] = 50, 3
  np.testing.assert_array_equal(np.bincount(made.labels(np.arange(len(made)))), expected)
  assert made.fingerprint != digits.fingerprint
  other = [label not in (7, 2) for label in made.labels(np.arange(len(made)))]
  kept = made.fetch(np.flatnonzero(other))['image']
  np.testing.assert_array_equal(kept, digits.fetch(every[~np.isin(labels, (7, 2))])['image'])


def test_fewer_of_a_class_are_some_of_more_of_it(digits):
  name = digits.class_names[7]
  of = lambda count: {
    image.tobytes()
    for image, label in zip(*_all(at_most(digits, (f'{name}={count}',))), strict=True)
    if label == 7
  }
  few, more = of(20), of(60)
  assert few < more
  assert len(more) == 60
  whole = at_most(digits, (f'{name}=1000000',))
  assert len(whole) == len(digits)
  assert at_most(digits, ()) is digits


def _all(dataset):
  batch = dataset.fetch(np.arange(len(dataset)))
  return batch['image'], batch['label']


@pytest.mark.parametrize(
  ('limits', 'says'),
  [
    (('seven=5',), "'seven=5': .*accepted: 0, 1"),
    (('7=0',), 'from 1 image'),
    (('7=many',), 'from 1 image'),
    (('7',), 'CLASS=COUNT'),
    (('7=5', '7=6'), 'named twice'),
  ],
)
def test_limits_that_cannot_be_are_refused(digits, limits, says):
  with pytest.raises(UserError, match=says):
    at_most(digits, limits)


def test_images_without_classes_cannot_be_made_rare():
  with pytest.raises(UserError, match='has no classes'):
    at_most(RandomImages('train', (4, 4), 8), ('7=5',))
