import numpy as np
import pytest

from gan_jax.data.ingest.matching import Names


def found(images, rows, folder=''):
  return [name for name, _ in Names(images).find(rows, folder)]


def reasons(images, rows):
  return [reason for _, reason in Names(images).find(rows)]


CHEXPERT = [f'patient{p}/study1/view1_frontal.jpg' for p in range(3)]


@pytest.mark.parametrize(
  'prefix',
  ['', 'CheXpert-v1.0/', '/data/me/CheXpert-v1.0/train/', 'D:\\xrays\\', './', '../up/', '//h/s/'],
)
@pytest.mark.parametrize('around', ['', 'archive/', 'a/b/'])
@pytest.mark.parametrize('ending', [True, False])
def test_rows_find_images_below_other_folders(prefix, around, ending):
  images = [around + name for name in CHEXPERT]
  rows = [prefix + (name if ending else name.removesuffix('.jpg')) for name in CHEXPERT]
  if '\\' in prefix:
    rows = [row.replace('/', '\\') for row in rows]
  assert found(images, rows) == images


def test_an_image_that_is_not_there_is_not_another_of_its_file_name():
  images = [f'data/{name}' for name in CHEXPERT]
  rows = [f'CheXpert-v1.0/{name}' for name in CHEXPERT]
  assert found(images[1:], rows) == [rows[0], *images[1:]]
  for image, row in zip(images, rows, strict=True):
    others = [other for other in rows if other != row]
    assert found([image], rows) == [image if other == row else other for other in rows]
    assert found([image], others) == others  # though it fits one as well as the other
    assert set(reasons([image], others)) == {f'no image is called so; the nearest is {image}'}


def test_file_names_that_are_each_there_once_are_enough():
  images = ['images_001/images/00000001_000.png', 'images_002/images/00000013_005.png']
  rows = ['00000001_000.png', '00000013_005.png']
  assert found(images, rows) == images
  assert found(images, [f'/elsewhere/all/{row}' for row in rows]) == images


def test_the_longest_tail_wins_and_of_equals_none():
  images = ['a/x/1.png', 'b/x/1.png', 'b/y/1.png', 'b/y/2.png']
  rows = ['/r/b/x/1.png', '/r/a/x/1.png', 'y/1.png']
  assert found(images, rows) == ['b/x/1.png', 'a/x/1.png', 'b/y/1.png']
  assert found(images, ['x/1.png', '1.png']) == ['x/1.png', '1.png']
  assert reasons(images, ['x/1.png', '1.png']) == [
    'may be any of 2 images: a/x/1.png, b/x/1.png',
    'may be any of 3 images: a/x/1.png, b/x/1.png, ...',
  ]


def test_a_whole_path_is_that_image_whatever_else_fits():
  assert found(['1.png', 'a/1.png'], ['1.png', 'a/1.png', './1.png', '/1.png']) == [
    '1.png',
    'a/1.png',
    '1.png',
    '1.png',
  ]


def test_names_in_a_folder_of_the_source_begin_there():
  images = ['train/0001.png', 'test/0001.png']
  assert found(images, ['0001.png'], 'test') == ['test/0001.png']
  assert found(images, ['0001.png'], 'train') == ['train/0001.png']


def test_a_part_of_a_file_is_found_as_the_file_is():
  assert found(['scans/v.nii', 'scans/w.nii'], ['/x/v.nii#s0003', 'w.nii#s0001']) == [
    'scans/v.nii#s0003',
    'scans/w.nii#s0001',
  ]


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('prefix', ['', '/data/', 'C:\\data\\'])
def test_random_paths_below_another_folder_are_all_found_and_what_is_not_there_is_not(seed, prefix):
  rng = np.random.default_rng(seed)
  folder = lambda: '/'.join(rng.choice(list('abc'), 3))
  images = sorted({f'{folder()}/{rng.integers(30)}.png' for _ in range(60)})
  there = set(rng.choice(images, len(images) // 2, replace=False).tolist()) | {'zz/only.png'}
  rows = [prefix + name for name in images]
  for name, image in zip(images, found(sorted(there), rows), strict=True):
    assert (image == name) if name in there else (image not in there)
