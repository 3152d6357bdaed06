import re

import numpy as np
import pytest

from gan_jax.data.ingest import splits
from gan_jax.errors import UserError


def random_groups(seed, groups=60, most=12):
  """Groups of random sizes, in a random order."""
  rng = np.random.default_rng(seed)
  found = [f'g{i}' for i in range(groups) for _ in range(rng.integers(1, most))]
  return [found[i] for i in rng.permutation(len(found))]


@pytest.mark.parametrize('seed', range(20))
def test_no_group_is_on_two_sides_and_shares_are_kept_to_the_size_of_a_group(seed):
  groups = random_groups(seed)
  shares = {'train': 0.7, 'validation': 0.1, 'test': 0.2}
  places = splits.divide(groups, shares)
  assert len(set(zip(groups, places, strict=True))) == len(set(groups))
  for name, share in shares.items():
    # A cut misses its place by half a group at either end.
    assert abs(places.count(name) - share * len(groups)) <= 12, name


def test_a_group_goes_where_it_went_whatever_the_order_and_the_number_of_its_images():
  groups = random_groups(0)
  shares = {'train': 0.8, 'test': 0.2}
  split_of = dict(zip(groups, splits.divide(groups, shares), strict=True))
  order = np.random.default_rng(1).permutation(len(groups))
  shuffled = [groups[i] for i in order]
  assert splits.divide(shuffled, shares) == [split_of[group] for group in shuffled]
  assert splits.divide(groups * 3, shares) == [split_of[group] for group in groups] * 3


def test_single_images_are_divided_as_asked():
  groups = [f'{i}.png' for i in range(1000)]
  places = splits.divide(groups, {'train': 0.9, 'test': 0.1})
  assert (places.count('train'), places.count('test')) == (900, 100)
  assert places[:900] != ['train'] * 900  # not by the order of the names


@pytest.mark.parametrize('seed', range(20))
def test_few_groups_are_enough_where_every_split_can_have_one(seed):
  rng = np.random.default_rng(seed)
  sizes = rng.integers(1, 30, 3)
  groups = [f'{seed}-{i}' for i, size in enumerate(sizes) for _ in range(size)]
  places = splits.divide(groups, {'train': 0.9, 'test': 0.05, 'validation': 0.05})
  assert set(places) == {'train', 'test', 'validation'}
  assert len(set(zip(groups, places, strict=True))) == 3
  # The small splits have the small groups, but where the cut had placed one already.
  assert places.count('train') > 1 or max(sizes) == 1 or sorted(sizes)[1] == 1


@pytest.mark.parametrize('seed', range(10))
def test_a_large_and_a_small_group_go_to_a_large_and_a_small_split(seed):
  groups = [f'large{seed}'] * 9 + [f'small{seed}']
  assert splits.divide(groups, {'train': 0.9, 'test': 0.1}) == ['train'] * 9 + ['test']


@pytest.mark.parametrize(('nearest', 'small'), [('b', 'c'), ('c', 'b')])
def test_a_split_that_would_be_empty_has_the_group_nearest_to_its_size(nearest, small):
  groups = [nearest] * 9 + [small] + ['a'] * 90  # of which a comes last, beyond where train ends
  expected = ['test'] * 9 + ['train'] * 91
  assert splits.divide(groups, {'train': 0.9, 'test': 0.1}) == expected


def test_more_splits_than_groups_are_refused_in_one_line():
  with pytest.raises(UserError) as refused:
    splits.divide(['a', 'a', 'b'], {'train': 0.8, 'validation': 0.1, 'test': 0.1})
  assert re.fullmatch(
    r"split '\w+' \(\d+%\) would be empty: 3 images in 2 groups; name other shares .*",
    str(refused.value),
  )
