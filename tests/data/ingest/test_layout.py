import pytest

from gan_jax.data.ingest import labels, layout

PAIRS = [
  ('train', 'test'),
  ('Training', 'Testing'),
  ('TRAIN', 'VAL'),
  ('seg_train', 'seg_test'),
  ('training_set', 'test_set'),
  ('asl alphabet-train', 'asl alphabet-test'),
  ('TrainImages', 'TestImages'),
  ('train-00000-of-00002', 'validation-00000-of-00001'),
  ('images_dev', 'images_eval'),
  ('train2017', 'val2017'),
  ('trainset', 'testset'),
]


def splits_and_paths(names):
  return [(place.split, place.path) for place in layout.arrange(names)]


def of(folder, *inner, count=3):
  return ['/'.join((folder, *inner, f'{i}.png')) for i in range(count)]


@pytest.mark.parametrize('pair', PAIRS)
@pytest.mark.parametrize('around', ['', 'archive/', 'home/me/data/'])
@pytest.mark.parametrize('classes_above', [False, True])
def test_folders_called_as_splits_are_the_splits_and_no_classes(pair, around, classes_above):
  expected = {}
  for folder, split in zip(pair, map(layout.split_of, pair), strict=True):
    for kind in ('cat', 'dog'):
      for i in range(3):
        inner = f'{kind}/{folder}' if classes_above else f'{folder}/{kind}'
        expected[f'{around}{inner}/{folder}-{i}.png'] = (split[0], f'{kind}/{folder}-{i}.png')
  assert splits_and_paths(list(expected)) == list(expected.values())
  assert {split for split, _ in expected.values()} <= {'train', 'validation', 'test'}
  assert set(labels.by_folder(list(expected))) == {'cat', 'dog'}


def test_pairs_of_splits_beside_each_other_are_classes():
  names = [name for s in ('train', 'test') for kind in 'AB' for name in of(f'horse/{s}{kind}')]
  places = splits_and_paths(names)
  assert [split for split, _ in places] == ['train'] * 6 + ['test'] * 6
  assert labels.by_folder(names) == (['A'] * 3 + ['B'] * 3) * 2


def test_both_names_of_a_split_are_one():
  names = of('train', 'a') + of('val', 'a') + of('valid', 'a')
  assert [s for s, _ in splits_and_paths(names)] == ['train'] * 3 + ['validation'] * 6


@pytest.mark.parametrize(
  'folders',
  [
    ('train_station', 'test_tube'),  # words of splits in classes
    ('train', 'bus', 'car'),
    ('train',),
    ('contest', 'trainer'),
    ('train_and_test', 'other'),
    ('validation', 'xray', 'ct', 'test', 'mri'),
  ],
)
def test_classes_that_sound_like_splits_are_classes(folders):
  names = [name for folder in folders for name in of('all', folder)]
  assert [split for split, _ in splits_and_paths(names)] == [''] * len(names)
  assert labels.by_folder(names) == [folder for folder in folders for _ in range(3)]


def test_a_class_called_as_a_split_stays_a_class_below_the_splits():
  names = [n for s in ('train', 'test') for kind in ('train', 'bus') for n in of(s, kind)]
  assert labels.by_folder(names) == (['train'] * 3 + ['bus'] * 3) * 2


def test_a_folder_of_a_split_within_itself_is_one():
  names = [
    n for s in ('seg_train', 'seg_test') for kind in ('sea', 'street') for n in of(s, s, kind)
  ]
  assert set(labels.by_folder(names)) == {'sea', 'street'}
  beside = of('seg_pred', 'seg_pred')
  places = layout.arrange(names + beside)
  assert [place.beside for place in places] == [False] * 12 + [True] * 3
  assert labels.by_folder(names + beside)[12:] == [''] * 3


@pytest.mark.parametrize('around', ['', 'archive/', 'a/b/c/'])
@pytest.mark.parametrize(
  ('names', 'expected'),
  [
    (['cat/1.png', 'dog/1.png'], ['cat', 'dog']),
    (['cats/black/1.png', 'dogs/black/1.png'], ['cats/black', 'dogs/black']),
    (['cat/1.png', 'cat/2.png'], ['cat', 'cat']),
    (['cat/1.png', 'cat/old/2.png', 'dog/1.png'], ['cat', 'cat/old', 'dog']),
    (['1.png', 'cat/1.png', 'dog/1.png'], ['', 'cat', 'dog']),
    (['a  cat/1.png', 'dog/1.png'], ['a cat', 'dog']),
  ],
)
def test_folders_around_all_others_are_no_classes(around, names, expected):
  assert labels.by_folder([around + name for name in names]) == expected


def test_where_the_classes_are_known_one_alone_is_found_among_them():
  names = ['cats/black/1.png', 'cats/black/2.png']
  assert labels.by_folder(names) == ['black', 'black']
  assert labels.by_folder(names, ['cats/black', 'dogs/black']) == ['cats/black'] * 2
  assert labels.by_folder(names, ['black', 'white']) == ['black'] * 2


def test_nothing_is_placed_where_nothing_is():
  assert layout.arrange([]) == []
  assert labels.by_folder(['1.png', '2.png']) == ['', '']
