import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_jax.data import pipeline
from gan_jax.errors import UserError


def take(count, *args, **kwargs):
  return list(itertools.islice(pipeline.batches(*args, **kwargs), count))


def same(a, b):
  return all(np.array_equal(a[name], b[name]) for name in ('image', 'label'))


def test_batches_are_uint8_images_and_int32_labels(digits):
  (batch,) = take(1, digits, 32, seed=0)
  assert batch['image'].shape == (32, 16, 16, 1)
  assert (batch['image'].dtype, batch['label'].dtype) == (np.uint8, np.int32)


def test_a_batch_is_a_function_of_the_draws_before_it(digits):
  first = take(5, digits, 32, seed=0)
  (later,) = take(1, digits, 32, seed=0, start=4 * 32)
  (across,) = take(1, digits, 16, seed=0, start=4 * 32 + 8)
  assert same(first[4], later)
  assert not same(first[3], later)
  np.testing.assert_array_equal(across['image'], later['image'][8:24])
  assert not same(take(1, digits, 32, seed=1)[0], first[0])


def test_every_image_comes_once_an_epoch_in_another_order(digits):
  first, second = take(2, digits, 4000, seed=0)
  whole = digits.fetch(np.arange(4000))['image'].reshape(4000, -1)
  order = lambda images: images[np.lexsort(images.T)]
  for epoch in (first, second):
    np.testing.assert_array_equal(order(epoch['image'].reshape(4000, -1)), order(whole))
  assert not same(first, second)


def test_the_parts_of_all_hosts_are_the_batch_of_one(digits):
  (whole,) = take(1, digits, 32, seed=0, start=3)
  parts = [take(1, digits, 32, seed=0, start=3, host=h, hosts=4)[0] for h in range(4)]
  joined = {name: np.concatenate([part[name] for part in parts]) for name in whole}
  assert same(joined, whole)


@pytest.mark.parametrize('options', [{}, {'balanced': True}, {'class_group': 8}])
def test_of_a_seed_its_lowest_32_bits_count_as_in_keys_of_jax(digits, options):
  of = lambda seed: take(1, digits, 32, seed=seed, **options)[0]
  for first, second in ((3, 3 + 2**32), (0, 2**32), (-1, 2**32 - 1)):
    assert same(of(first), of(second))
  assert not same(of(3), of(4))


def test_a_dataset_smaller_than_a_batch_is_refused(digits):
  with pytest.raises(UserError, match='has 4000 images; a batch takes 4001'):
    pipeline.batches(digits, 4001, seed=0)


def test_balanced_batches_have_every_class_as_often():
  labels = np.repeat([0, 2, 3], [2, 5, 50])  # class 1 has no images
  order = pipeline.BalancedOrder(labels, seed=0)
  rows = order(np.arange(300))
  counts = np.bincount(labels[rows], minlength=4)
  np.testing.assert_array_equal(counts, [100, 0, 100, 100])
  for start in range(0, 300, 3):
    assert set(labels[rows[start : start + 3]]) == {0, 2, 3}
  # Within a class, none comes again before all have come.
  for label in (0, 2, 3):
    of_class = rows[labels[rows] == label]
    times = np.bincount(of_class, minlength=len(labels))[labels == label]
    assert times.max() - times.min() <= 1
  assert len({tuple(labels[rows[s : s + 3]]) for s in range(0, 300, 3)}) == 6
  np.testing.assert_array_equal(order(np.arange(7, 20)), rows[7:20])
  assert not np.array_equal(pipeline.BalancedOrder(labels, seed=1)(np.arange(300)), rows)


def test_balanced_batches_resume_and_are_divided_like_others(digits):
  first = take(5, digits, 32, seed=0, balanced=True)
  (later,) = take(1, digits, 32, seed=0, start=4 * 32, balanced=True)
  assert same(first[4], later)
  parts = [
    take(1, digits, 32, seed=0, start=128, host=h, hosts=4, balanced=True)[0] for h in range(4)
  ]
  assert same({n: np.concatenate([p[n] for p in parts]) for n in later}, later)


def test_a_dataset_without_classes_cannot_be_balanced(digits, monkeypatch):
  monkeypatch.setattr(digits, 'num_classes', 0)
  with pytest.raises(UserError, match=r'config\.dataset\.balanced=True: .* has no labels'):
    pipeline.batches(digits, 32, seed=0, balanced=True)


def with_attributes(digits, monkeypatch):
  known = {
    'site': np.array(['a'] * 3900 + ['b'] * 90 + [''] * 10),
    'age': np.arange(4000.0),
    'sex': np.arange(4000) % 2.0,
  }
  monkeypatch.setattr(digits, 'attributes', lambda rows: {n: v[rows] for n, v in known.items()})
  return known


def test_batches_are_balanced_by_attributes_and_their_combinations(digits, monkeypatch):
  known = with_attributes(digits, monkeypatch)
  groups = pipeline.attribute_groups(digits, 'site,sex')
  assert (groups[-10:] == -1).all()
  rows = pipeline.BalancedOrder(groups, seed=0)(np.arange(400))
  pairs, counts = np.unique([known['site'][rows], known['sex'][rows]], axis=1, return_counts=True)
  assert pairs.shape == (2, 4)
  np.testing.assert_array_equal(counts, 100)
  (batch,) = take(1, digits, 400, seed=0, balanced=True, balanced_by='site,sex')
  np.testing.assert_array_equal(batch['image'], digits.fetch(rows)['image'])


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    ('sit', "has no attribute 'sit'; did you mean 'site'"),
    ('age', '4,000 combinations of values; accepted: 2 to 256'),
  ],
)
def test_attributes_that_make_no_groups_are_refused(digits, monkeypatch, names, message):
  with_attributes(digits, monkeypatch)
  with pytest.raises(UserError, match=message):
    pipeline.batches(digits, 32, seed=0, balanced=True, balanced_by=names)
  with pytest.raises(UserError, match=r'needs config\.dataset\.balanced=True'):
    pipeline.batches(digits, 32, seed=0, balanced_by=names)


def test_neighbours_are_of_one_class_and_over_epochs_every_image_is_shown_as_often():
  labels = np.repeat([0, 2, 3], [3, 21, 77])  # class 1 has no images, class 0 fewer than a group
  order = pipeline.GroupedOrder(labels, 8, seed=0)
  rows = order(np.arange(400 * 96))
  groups = labels[rows].reshape(-1, 8)
  assert (groups == groups[:, :1]).all()
  shown = np.bincount(rows, minlength=101)
  # Expected 400 · 96 / 101 times each; a group more or less of a class an epoch is chance.
  for label, spread in ((0, 0.1), (2, 0.05), (3, 0.02)):
    assert shown[labels == label].mean() == pytest.approx(400 * 96 / 101, rel=spread)
  assert (abs(shown / shown.mean() - 1) < 0.25).all()
  one = order(np.arange(96))
  counts = np.bincount(one, minlength=101)
  assert counts[labels == 3].max() == 1  # within an epoch none twice where a class has enough
  classes = groups.reshape(400, 12, 8)[..., 0]
  assert {tuple(np.bincount(c, minlength=4)[2:]) for c in classes} <= {
    (two, three) for two in (2, 3) for three in (9, 10)
  }
  np.testing.assert_array_equal(order(np.arange(90, 120)), rows[90:120])
  assert not np.array_equal(one, order(np.arange(96, 192)))
  for other in (pipeline.GroupedOrder(labels, 8, 1), pipeline.GroupedOrder(labels, 8, 0, order=1)):
    assert not np.array_equal(other(np.arange(96)), one)


def test_grouped_batches_resume_and_are_divided_like_others(digits):
  first = take(5, digits, 32, seed=0, class_group=8)
  assert all((b['label'].reshape(4, 8) == b['label'][::8, None]).all() for b in first)
  assert len({tuple(b['label']) for b in first}) > 1
  assert same(first[4], take(1, digits, 32, seed=0, start=4 * 32, class_group=8)[0])
  share = lambda host: take(1, digits, 32, seed=0, host=host, hosts=4, class_group=8)[0]
  parts = [share(host) for host in range(4)]
  assert same({name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, first[0])
  with pytest.raises(UserError, match=r'class_group=8: not with config\.dataset\.balanced=True'):
    pipeline.batches(digits, 32, seed=0, class_group=8, balanced=True)


@pytest.mark.parametrize('balanced', [False, True])
@pytest.mark.parametrize('start', [2**24 + 1, 2**31 - 5, 2**32 + 3, 2**40])
def test_draws_beyond_31_bits_are_those_of_their_numbers(digits, start, balanced):
  def draw(size, start):
    return take(1, digits, size, seed=0, start=start, balanced=balanced)[0]

  whole = draw(32, start)
  again = [draw(8, start + 8 * part) for part in range(4)]
  np.testing.assert_array_equal(whole['image'], np.concatenate([b['image'] for b in again]))
  np.testing.assert_array_equal(whole['label'], np.concatenate([b['label'] for b in again]))
  if not balanced:  # by whole numbers of Python, which have no end
    epochs = [divmod(start + k, len(digits)) for k in range(32)]
    rows = [
      np.random.default_rng((0, epoch)).permutation(len(digits))[row] for epoch, row in epochs
    ]
    np.testing.assert_array_equal(whole['image'], digits.fetch(rows)['image'])


def test_an_order_has_all_images_once_and_is_another_for_every_number(digits):
  epochs = [take(1, digits, 4000, seed=0, order=order)[0] for order in (0, 1, 2)]
  whole = digits.fetch(np.arange(4000))['image'].reshape(4000, -1)
  sort = lambda images: images[np.lexsort(images.T)]
  for epoch in epochs:
    np.testing.assert_array_equal(sort(epoch['image'].reshape(4000, -1)), sort(whole))
  assert not any(same(epochs[a], epochs[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
  assert same(epochs[0], take(1, digits, 4000, seed=0)[0])


SMALL = {'count': st.integers(1, 40), 'seed': st.integers(0, 2**32 - 1), 'order': st.integers(0, 3)}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(**SMALL, start=st.integers(0, 2**34), sizes=st.lists(st.integers(1, 30), max_size=4))
def test_any_epoch_has_every_row_once_and_draws_do_not_depend_on_batches(
  count, seed, order, start, sizes
):
  rows_of = pipeline._shuffled(count, (seed, order))
  epoch = start // count
  whole = rows_of(np.arange(epoch * count, (epoch + 1) * count))
  assert sorted(whole.tolist()) == list(range(count))
  drawn, place = [], start
  for size in sizes:
    drawn += rows_of(place + np.arange(size)).tolist()
    place += size
  # By another that has drawn nothing before.
  again = pipeline._shuffled(count, (seed, order))(np.arange(start, place))
  assert drawn == again.tolist()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
  labels=st.lists(st.integers(0, 4), min_size=1, max_size=20),
  seed=SMALL['seed'],
  rounds=st.integers(1, 30),
)
def test_any_classes_are_balanced_in_every_round(labels, seed, rounds):
  labels = np.array(labels)
  classes = np.unique(labels)
  rows = pipeline.BalancedOrder(labels, seed)(np.arange(rounds * len(classes)))
  drawn = np.sort(labels[rows].reshape(rounds, -1), axis=1)
  np.testing.assert_array_equal(drawn, np.tile(classes, (rounds, 1)))
  for label in classes:
    times = np.bincount(rows[labels[rows] == label], minlength=len(labels))[labels == label]
    assert times.max() - times.min() <= 1


class Counted:
  """Images that are on a disk: it counts how many were read, and which."""

  name, in_memory, num_classes = 'counted', False, 0

  def __init__(self):
    self.read = []

  def __len__(self):
    return 400

  def fetch(self, rows):
    self.read.append(rows.tolist())
    return {'image': np.zeros((len(rows), 1, 1, 1), np.uint8), 'label': rows.astype(np.int32)}


def test_each_host_reads_its_own_rows_alone_and_few_batches_ahead():
  whole = np.concatenate([batch['label'] for batch in take(5, Counted(), 32, seed=0)])
  parts = []
  for host in range(4):
    dataset = Counted()
    own = take(5, dataset, 32, seed=0, host=host, hosts=4, prefetch=2)
    parts.append([batch['label'] for batch in own])
    assert {len(rows) for rows in dataset.read} == {8}
    assert len(dataset.read) <= 5 + 2 + 1  # shown, ready, and one on its way
  np.testing.assert_array_equal(np.concatenate(parts, axis=1).ravel(), whole)
