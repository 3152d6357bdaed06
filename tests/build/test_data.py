"""What is read for a run beside its training batches."""

import numpy as np
import pytest

from configs import default
from gan_jax import build
from gan_jax.build import data
from gan_jax.errors import UserError


class Rows:
  """A dataset whose examples are their numbers."""

  num_classes = 3
  in_memory = True

  def __init__(self, count):
    self._count = count

  def __len__(self):
    return self._count

  def fetch(self, rows):
    return np.asarray(rows)

  def labels(self, rows):
    return np.array([0, 0, 0, 1, 2, 2])[np.asarray(rows)]


def config(**changes):
  made = default.get_config()
  made.train.batch_size = 8
  made.update_from_flattened_dict({k.replace('__', '.'): v for k, v in changes.items()})
  return made


def test_a_held_out_batch_is_a_choice_of_its_step_and_seed():
  configs = [config(seed=seed) for seed in (0, 1)]
  rows = lambda seed, step: build.held_out_batch(configs[seed], Rows(100), step)
  assert len(set(rows(0, 1).tolist())) == 8
  np.testing.assert_array_equal(rows(0, 1), rows(0, 1))
  chosen = [rows(*each) for each in ((0, 1), (0, 2), (1, 1))]
  assert len({tuple(each) for each in [*chosen, range(8)]}) == 4
  seen = np.concatenate([rows(0, step) for step in range(100)])
  assert len(set(seen.tolist())) > 90


def test_of_few_held_out_images_each_is_there_and_some_twice():
  found = build.held_out_batch(config(), Rows(5), 3)
  assert sorted(set(found.tolist())) == list(range(5))
  assert len(found) == 8


def test_hosts_share_a_held_out_batch(monkeypatch):
  whole = build.held_out_batch(config(), Rows(100), 3)
  parts = []
  for share in ((0, 4), (4, 8)):
    monkeypatch.setattr(data.hosts, 'share', lambda count, share=share: share)
    parts.append(build.held_out_batch(config(), Rows(100), 3))
  np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_held_out_batch_is_grouped_as_the_training_batch_is(monkeypatch):
  made = config(dataset__class_group=2)
  labels = np.array([0, 0, 0, 1, 2, 2])
  for step in range(5):
    whole = build.held_out_batch(made, Rows(6), step)
    assert (labels[whole[::2]] == labels[whole[1::2]]).all()
  monkeypatch.setattr(data.hosts, 'share', lambda count: (4, 8))
  np.testing.assert_array_equal(build.held_out_batch(made, Rows(6), 4), whole[4:])
  assert any(whole.tolist() != build.held_out_batch(made, Rows(6), s).tolist() for s in range(4))


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'model__conditional': False}, 'without classes'),
    ({'labels__fakes': 'uniform'}, "accepted: 1, or config.labels.fakes='reals'"),
    ({'train__batch_size': 6}, 'accepted: a divisor of the 6 images of a batch, of 100 at most'),
    ({'dataset__class_group': 128, 'train__batch_size': 128}, 'of 100 at most'),
  ],
)
def test_neighbours_of_one_class_are_refused_where_fakes_or_batches_have_none(changes, message):
  made = config(**{'model__conditional': True, 'dataset__class_group': 4, **changes})
  with pytest.raises(UserError, match=f'dataset.class_group=.*{message}'):
    build.batches(made, Rows(100), 0)


@pytest.mark.parametrize(
  ('fakes', 'expected'),
  [
    ('reals', None),
    ('data', (3 / 6, 1 / 6, 2 / 6)),
    ('uniform', (1 / 3,) * 3),
    ('weights', (0.1, 0.2, 0.7)),
  ],
)
def test_labels_of_fakes_are_as_frequent_as_asked(fakes, expected):
  weights = {'labels__weights': (1.0, 2.0, 7.0)} if fakes == 'weights' else {}
  made = config(model__conditional=True, labels__fakes=fakes, **weights)
  found = build.fake_labels(made, Rows(6))
  assert found is None if expected is None else np.allclose(found, expected)
  assert build.fake_labels(config(labels__fakes=fakes), Rows(6)) is None  # no classes are told


def test_held_out_images_that_are_trained_on_are_refused_with_their_number(monkeypatch):
  asked = []
  monkeypatch.setattr(data.by_name, 'open_dataset', lambda *args: asked.append(args[1]) or Rows(6))
  monkeypatch.setattr(data.by_name, 'shared_images', lambda *args: len(args))
  with pytest.raises(
    UserError, match=r"holdout_split='test': 4 of its images are in .*split='train'"
  ):
    build.datasets(config())
  assert asked == ['train', 'test']


def test_each_split_is_opened_for_its_own_use(monkeypatch):
  opened = {}
  monkeypatch.setattr(
    data.by_name, 'open_dataset', lambda *args: opened.setdefault(args[1], Rows(len(args[1])))
  )
  monkeypatch.setattr(data.by_name, 'shared_images', lambda *_: 0)
  found = build.datasets(config())
  assert (found.train, found.holdout) == (opened['train'], opened['test'])


def test_the_fingerprints_of_both_splits_are_recorded():
  rows = []
  for name in ('a train', 'a test'):
    made = Rows(6)
    made.name, made.fingerprint, made.origin = name, f'of {name}', {'full_name': 'a/1.0.0'}
    made.shape, made.dtype, made.class_names = (4, 6, 1), np.dtype(np.uint8), ['x', 'y', 'z']
    rows.append(made)
  told = build.describe(config(dataset__name='a'), build.Datasets(*rows))
  assert told['fingerprints'] == {'a train': 'of a train', 'a test': 'of a test'}
  assert (told['shape'], told['dtype'], told['num_classes']) == ([4, 6, 1], 'uint8', 3)
  assert (told['name'], told['full_name'], told['class_names']) == ('a', 'a/1.0.0', ['x', 'y', 'z'])
  assert told['class_counts'] == [3, 1, 2]
  rows[0].in_memory = False  # all files would have to be read for them
  assert build.describe(config(), build.Datasets(*rows))['class_counts'] is None


def test_a_conditional_run_wants_classes(monkeypatch):
  rows = Rows(6)
  rows.name, rows.num_classes = 'a train', 0
  monkeypatch.setattr(data.by_name, 'open_dataset', lambda *_: rows)
  monkeypatch.setattr(data.by_name, 'shared_images', lambda *_: 0)
  assert build.datasets(config()).train is rows
  with pytest.raises(UserError, match=r'model\.conditional=True: dataset a train has no labels'):
    build.datasets(config(model__conditional=True))


def test_each_host_draws_its_part(monkeypatch):
  drawn = []
  monkeypatch.setattr(data.pipeline, 'batches', lambda *_, **how: drawn.append(how))
  monkeypatch.setattr(data.jax, 'process_index', lambda: 3)
  monkeypatch.setattr(data.jax, 'process_count', lambda: 4)
  build.batches(config(), Rows(100), 0)
  assert (drawn[0]['host'], drawn[0]['hosts']) == (3, 4)
