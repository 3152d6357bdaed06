import numpy as np
import pytest

from gan_jax.data.datasets import digits, stacked_digits
from tests.data.datasets import trees


@pytest.fixture(scope='module')
def single():
  return digits.read()


@pytest.fixture(scope='module')
def prepared(single, tmp_path_factory):
  patch = pytest.MonkeyPatch()
  patch.setattr(digits, 'read', lambda: single)
  patch.setattr(stacked_digits, '_SIZES', {'train': 1_050, 'test': 40})
  yield trees.prepare('stacked_digits', tmp_path_factory.mktemp('stacked'))
  patch.undo()


def test_channels_are_digits_of_the_split_and_the_label_names_them(prepared, single):
  examples, builder = prepared
  trees.assert_whole(examples, builder, (28, 28, 3), np.uint8)
  images, labels, splits = single
  for example in examples.values():
    split, rows = example['name'].split('/')
    rows = [int(row) for row in rows.split('-')]
    assert split == example['split']
    assert set(rows) <= set(splits[split])
    np.testing.assert_array_equal(example['image'], np.moveaxis(images[rows], 0, -1))
    red, green, blue = labels[rows]
    assert example['label'] == 100 * red + 10 * green + blue
    name = builder.info.features['label'].int2str(example['label'])
    assert name == f'{red}{green}{blue}'


def test_every_class_is_there_as_often_as_any_other_or_once_more(prepared):
  examples, builder = prepared
  labels = [e['label'] for e in examples.values() if e['split'] == 'train']
  assert np.bincount(labels, minlength=1000).tolist().count(1) == 950
  assert set(np.bincount(labels, minlength=1000)) == {1, 2}
  assert builder.info.features['label'].names == [f'{label:03d}' for label in range(1000)]


def test_the_whole_listing_has_the_stated_numbers_unique_names_and_repeats_itself(single):
  _, labels, splits = single
  for seed, (split, count) in enumerate({'train': 25_600, 'test': 5_120}.items()):
    drawn, rows = stacked_digits._draw(labels, splits[split], count, seed)
    assert len(drawn) == count
    assert len(np.unique(rows, axis=0)) == count
    assert set(np.bincount(drawn)) == {count // 1000, count // 1000 + 1}
    again = stacked_digits._draw(labels, splits[split], count, seed)
    np.testing.assert_array_equal(again[1], rows)


def test_digits_of_the_channels_are_drawn_independently(single):
  _, labels, splits = single
  _, rows = stacked_digits._draw(labels, splits['train'], 25_600, 0)
  drawn = np.bincount(rows.ravel(), minlength=len(labels))[splits['train']]
  assert 12 < drawn.var() < 27  # of a Poisson variable the variance is the mean, 19.2
  correlation = np.corrcoef((rows % 500).T)[np.triu_indices(3, 1)]  # rows within a digit
  assert np.abs(correlation).max() < 4 / np.sqrt(25_600)
