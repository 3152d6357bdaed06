import numpy as np

from gan_jax.data.source import RandomImages
from gan_jax.data.subset import Subset


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
